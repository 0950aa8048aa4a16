package control

import (
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/openapi.yaml")

const description = "../../docs/openapi.yaml"

// The description of the API is made of the verbs and of the types of their requests
// and answers, so that it has every path and every field.
func TestDescription(t *testing.T) {
	d := describer{t: t, comments: comments(t), schemas: make(map[string]string), taken: make(map[string]reflect.Type)}
	want := d.document()
	if *update {
		if err := os.WriteFile(description, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the program has: go test ./internal/control -run Description -update", description)
	}
}

// describer writes OpenAPI 3.1.
type describer struct {
	t        *testing.T
	comments map[string]string // of types and fields: "Status", "Status.Version"
	schemas  map[string]string // by name
	taken    map[string]reflect.Type
}

func (d *describer) document() string {
	var paths strings.Builder
	for _, v := range verbs {
		d.path(&paths, v)
	}
	var b strings.Builder
	b.WriteString(`# Made by "go test ./internal/control -run Description -update": do not edit.
openapi: 3.1.0
info:
  title: Sallyport
  version: v1
  description: >-
    How a running daemon is asked, on its control socket and over TCP: see API.md.
    What is in version 1 only ever grows: ignore fields that you do not know.
servers:
  - url: http://127.0.0.1:9478/v1
security:
  - token: []
paths:
`)
	b.WriteString(paths.String())
	b.WriteString(`components:
  securitySchemes:
    token:
      type: http
      scheme: bearer
  responses:
    Failure:
      description: it is not done; the status says whether the request makes no sense (400, 404, 405, 413), is not allowed (401, 403), or cannot be carried out (409, 500)
      content:
        application/json:
          schema: {$ref: "#/components/schemas/Failure"}
  schemas:
`)
	d.schemas["Failure"] = "    Failure:\n      type: object\n      required: [error]\n      properties:\n        error: {type: string, description: \"what is wrong\"}\n        hint: {type: string, description: \"what to do about it\"}\n        reason: {type: string, description: \"why, in one word, for programs; mostly missing\"}\n"
	for _, name := range slices.Sorted(maps.Keys(d.schemas)) {
		b.WriteString(d.schemas[name])
	}
	return b.String()
}

func (d *describer) path(b *strings.Builder, v verb) {
	fmt.Fprintf(b, "  %s:\n    %s:\n      operationId: %s\n      summary: %q\n      description: \"Needs the right %s.\"\n", v.path, strings.ToLower(v.method),
		strings.Trim(strings.NewReplacer("/doors/{door}/", "", "/", "").Replace(v.path), "/"), v.says, v.right)
	if v.right == Admin {
		b.WriteString("      servers: [{url: \"http://sallyport/v1\", description: \"the control socket only\"}]\n")
	}
	switch {
	case v.request.NumField() == 0:
	case v.method == http.MethodPost:
		fmt.Fprintf(b, "      requestBody:\n        content:\n          application/json:\n            schema: %s\n", d.schema(v.request))
	default:
		b.WriteString("      parameters:\n")
		for f := range v.request.Fields() {
			in, required := "query", ""
			if f.Tag.Get("in") == "path" {
				in, required = "path", ", required: true"
			}
			style := ""
			if f.Type.Kind() == reflect.Slice {
				style = ", style: form, explode: false"
			}
			fmt.Fprintf(b, "        - {name: %s, in: %s%s%s%s, schema: %s}\n", fieldName(f), in, required, style, d.says(v.request.Name()+"."+f.Name), d.schema(f.Type))
		}
	}
	fmt.Fprintf(b, "      responses:\n        \"200\":\n          description: done\n          content:\n            %s:\n              schema: %s\n", v.media, d.schema(v.answer))
	if v.media == "text/plain" {
		b.WriteString("        \"304\": {description: \"as it was, by its ETag\"}\n")
	}
	b.WriteString("        default: {$ref: \"#/components/responses/Failure\"}\n")
}

// says is a description, where there is one.
func (d *describer) says(of string) string {
	if text := d.comments[of]; text != "" {
		return fmt.Sprintf(", description: %q", text)
	}
	return ""
}

// schema returns the schema of a type, in one line, and notes that of structs.
func (d *describer) schema(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer:
		return d.schema(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return "{type: string, format: date-time}"
	case t == reflect.TypeFor[Duration]():
		return `{type: string, examples: ["1m30s"]}`
	case t == reflect.TypeFor[[]byte]():
		return "{type: string, contentEncoding: base64}"
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "{type: string}"
	}
	switch t.Kind() {
	case reflect.String:
		return "{type: string}"
	case reflect.Bool:
		return "{type: boolean}"
	case reflect.Int, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "{type: integer}"
	case reflect.Slice:
		return "{type: array, items: " + d.schema(t.Elem()) + "}"
	case reflect.Map:
		return "{type: object, additionalProperties: " + d.schema(t.Elem()) + "}"
	case reflect.Struct:
		if t.NumField() == 0 {
			return "{type: object}"
		}
		return d.object(t)
	}
	d.t.Errorf("%s cannot be described", t)
	return ""
}

func (d *describer) object(t reflect.Type) string {
	name := t.Name()
	ref := fmt.Sprintf("{$ref: \"#/components/schemas/%s\"}", name)
	if is, known := d.taken[name]; known {
		if is != t {
			d.t.Errorf("%s and %s have one name", is, t)
		}
		return ref
	}
	d.taken[name] = t
	var required, properties []string
	d.fields(t, &required, &properties)
	text := fmt.Sprintf("    %s:\n      type: object\n", name)
	if c := d.comments[name]; c != "" {
		text += fmt.Sprintf("      description: %q\n", c)
	}
	if len(required) > 0 {
		text += "      required: [" + strings.Join(required, ", ") + "]\n"
	}
	d.schemas[name] = text + "      properties:\n" + strings.Join(properties, "")
	return ref
}

func (d *describer) fields(t reflect.Type, required, properties *[]string) {
	for f := range t.Fields() {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous:
			d.fields(f.Type, required, properties)
			continue
		case tag == "-":
			continue
		case name == "":
			d.t.Errorf("%s.%s has no name in JSON", t, f.Name)
		case !strings.HasPrefix(options, "omit"):
			*required = append(*required, name)
		}
		schema, says := d.schema(f.Type), d.says(t.Name()+"."+f.Name)
		if says != "" { // beside a reference, too: OpenAPI 3.1 takes that
			schema = strings.TrimSuffix(schema, "}") + says + "}"
		}
		*properties = append(*properties, fmt.Sprintf("        %s: %s\n", name, schema))
	}
}

// comments reads what the source says of types and of their fields.
func comments(t *testing.T) map[string]string {
	t.Helper()
	said := make(map[string]string)
	for _, dir := range []string{".", "../event", "../report", "../config"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if g, ok := decl.(*ast.GenDecl); ok {
					commentsOf(g, dir != ".", said)
				}
			}
		}
	}
	return said
}

func commentsOf(g *ast.GenDecl, foreign bool, said map[string]string) {
	for _, spec := range g.Specs {
		typ, ok := spec.(*ast.TypeSpec)
		if !ok || foreign && said[typ.Name.Name] != "" { // those of this package have their names first
			continue
		}
		said[typ.Name.Name] = strings.TrimSpace(strings.ReplaceAll(g.Doc.Text(), "\n", " "))
		fields, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			for _, n := range f.Names {
				said[typ.Name.Name+"."+n.Name] = strings.TrimSpace(strings.ReplaceAll(f.Comment.Text(), "\n", " "))
			}
		}
	}
}
