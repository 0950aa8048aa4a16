package control

import (
	"encoding"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A request by GET has its fields in the address: those of a struct, by the names
// that they have in JSON. Lists are written with commas.

// asked reads a request: what is in the body of a POST, or in the address of a GET.
func asked(w http.ResponseWriter, r *http.Request, q any) error {
	if r.Method == http.MethodPost {
		return decode(http.MaxBytesReader(w, r.Body, maxRequest), q)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return decodeQuery(query, r, reflect.ValueOf(q).Elem())
}

// decodeQuery is as strict as decode: what it does not know is an error.
func decodeQuery(query url.Values, r *http.Request, q reflect.Value) error {
	known := []string{}
	for f := range q.Type().Fields() {
		name, value := fieldName(f), q.FieldByIndex(f.Index)
		if f.Tag.Get("in") == "path" {
			value.SetString(r.PathValue(name))
			continue
		}
		known = append(known, name)
		texts, ok := query[name]
		if !ok {
			continue
		}
		if len(texts) > 1 {
			return fmt.Errorf("%s is there twice", name)
		}
		if err := setText(value, texts[0]); err != nil {
			return fmt.Errorf("%s = %q: %w", name, texts[0], err)
		}
	}
	for name := range query {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q: there are %q", name, known)
		}
	}
	return nil
}

// fieldName is the name of a field in JSON.
func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func setText(v reflect.Value, text string) error {
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return t.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return err
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return err
	case reflect.Slice:
		for one := range strings.SplitSeq(text, ",") {
			item := reflect.New(v.Type().Elem()).Elem()
			if err := setText(item, one); err != nil {
				return err
			}
			v.Set(reflect.Append(v, item))
		}
	default:
		return fmt.Errorf("a %s cannot be asked for", v.Type())
	}
	return nil
}

// inQuery writes what decodeQuery reads.
func inQuery(q any) string {
	values := make(url.Values)
	v := reflect.ValueOf(q)
	for f := range v.Type().Fields() {
		if field := v.FieldByIndex(f.Index); f.Tag.Get("in") != "path" && !field.IsZero() {
			values.Set(fieldName(f), text(field))
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.Format(time.RFC3339Nano)
	case encoding.TextMarshaler:
		b, _ := x.MarshalText() // what is asked for can be written
		return string(b)
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	var list []string
	for i := range v.Len() {
		list = append(list, text(v.Index(i)))
	}
	return strings.Join(list, ",")
}
