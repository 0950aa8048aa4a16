package follow

import (
	"errors"
	"maps"
	"slices"

	"sallyport/internal/fleet/record"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/fleet/seal"
	"sallyport/internal/fleet/wire"
)

const viewMagic = "sallyport fleet view v1\x00"

var errView = errors.New("it is nothing that a gate has kept, or it is damaged")

// Marshal returns the view as it is kept. What is not judged yet is left out: it is read
// again.
func (v *View) Marshal() []byte {
	state := v.Roll.Marshal()
	w := wire.Writer{Out: append(make([]byte, 0, len(state)+1<<16), viewMagic...)}
	w.Text(v.Gate)
	w.U64(v.Seen.Cluster)
	w.U64(uint64(v.Seen.Revision))
	w.U64(uint64(len(state)))
	w.Raw(state)
	w.U64(uint64(len(v.revoked)))
	for _, client := range slices.Sorted(maps.Keys(v.revoked)) {
		w.Text(v.revoked[client].By)
		record.Append(&w, v.revoked[client].Revocation)
	}
	w.U64(uint64(len(v.secrets)))
	for _, client := range slices.Sorted(maps.Keys(v.secrets)) {
		w.Text(client)
		w.Text(string(v.secrets[client]))
	}
	return w.Out
}

// Parse reads what Marshal has written.
func Parse(text []byte) (*View, error) {
	r := wire.Reader{Rest: text}
	if string(r.Raw(len(viewMagic))) != viewMagic {
		return nil, errView
	}
	gate, cluster, revision := r.Text(maxName), r.U64(), r.U64()
	state, err := roll.ParseState(r.Raw(size(&r)))
	if err != nil {
		return nil, err
	}
	v := New(gate, state)
	v.Seen.Cluster, v.Seen.Revision = cluster, int64(revision)
	for n := size(&r); n > 0 && !r.Bad; n-- {
		by := r.Text(maxName)
		rev, ok := record.Next(&r).(record.Revocation)
		r.Bad = r.Bad || !ok
		v.keep(Revoked{rev, by})
	}
	for n := size(&r); n > 0 && !r.Bad; n-- {
		client := r.Text(maxName)
		v.takeSecret(client, []byte(r.Text(seal.MaxSealed)))
	}
	if !r.Done() {
		return nil, errView
	}
	return v, nil
}

const maxName = 32

// size reads a number of bytes or of things, which is no larger than what there is.
func size(r *wire.Reader) int {
	n := r.U64()
	if n > uint64(len(r.Rest)) {
		r.Bad = true
		return 0
	}
	return int(n)
}
