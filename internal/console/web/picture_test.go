//go:build linux

package web

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
	"testing"
)

// top is the upper part of a picture, in its 256 most frequent colours.
func top(t *testing.T, picture []byte, height int) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	area := image.Rect(0, 0, whole.Bounds().Dx(), height)
	counts := make(map[color.RGBA]int)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA) }
	for y := range height {
		for x := range area.Dx() {
			counts[at(x, y)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return cmp.Compare(counts[b], counts[a]) })
	var colors color.Palette
	for _, c := range frequent[:min(len(frequent), 256)] {
		colors = append(colors, c)
	}
	nearest := make(map[color.RGBA]uint8, len(counts))
	for c := range counts {
		nearest[c] = uint8(colors.Index(c))
	}
	part := image.NewPaletted(area, colors)
	for y := range height {
		for x := range area.Dx() {
			part.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, part); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
