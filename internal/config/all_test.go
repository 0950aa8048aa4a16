package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"sallyport/internal/fwknop"
	"sallyport/internal/sequence"
	"sallyport/internal/sshauth"
)

// Compare sees a change of every field, so that a dry run shows it.
func TestCompareSeesEveryField(t *testing.T) {
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		f := root.Field(i)
		switch f.Type.Kind() {
		case reflect.Struct:
			each(t, f.Name, f.Type, func(field int) (from, to *Config) {
				from, to = &Config{}, &Config{}
				alter(t, reflect.ValueOf(to).Elem().Field(i).Field(field))
				return from, to
			})
		case reflect.Slice:
			each(t, f.Name, f.Type.Elem(), func(field int) (from, to *Config) {
				from, to = &Config{}, &Config{}
				for _, c := range []*Config{from, to} {
					list := reflect.ValueOf(c).Elem().Field(i)
					list.Set(reflect.MakeSlice(f.Type, 1, 1))
				}
				alter(t, reflect.ValueOf(to).Elem().Field(i).Index(0).Field(field))
				return from, to
			})
		default:
			if f.Name != "Path" {
				t.Errorf("nobody compares %s", f.Name)
			}
		}
	}
}

func each(t *testing.T, section string, fields reflect.Type, differ func(field int) (from, to *Config)) {
	t.Helper()
	for i := range fields.NumField() {
		f := fields.Field(i)
		if f.Name == "Place" || !f.IsExported() {
			continue
		}
		from, to := differ(i)
		if len(Compare(from, to)) == 0 {
			t.Errorf("a change of %s.%s is not seen", section, f.Name)
		}
		if list := Compare(to, to); len(list) != 0 {
			t.Errorf("%s.%s differs from itself: %+v", section, f.Name, list)
		}
	}
}

// alter gives a field another value than its zero.
func alter(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case Zone:
		v.Set(reflect.ValueOf(loaded(t, "sallyport.toml", "gate.timezone = 'Asia/Tokyo'\n").Gate.Timezone))
		return
	case Hours:
		v.Set(reflect.ValueOf(loaded(t, "sallyport.toml", `door=[{name="ssh", ports=["tcp/22"], hours=["08:00-18:00"]}]`).Doors[0].Hours))
		return
	case Secret:
		v.Set(reflect.ValueOf(Secret{Current: sequence.NewSecret([20]byte{1})}))
		return
	case sshauth.From:
		from := loaded(t, "sallyport.toml", `door=[{name="ssh", ports=["tcp/22"]}]
client=[{name="a", doors=["ssh"], from=["192.0.2.0/24"], key="`+aKey+`"}]
spa.port=40000`).Clients[0].From
		v.Set(reflect.ValueOf(from))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case *fwknop.Key:
		key, err := fwknop.NewKey([]byte("a test vector"), []byte("another one"), fwknop.CBC, fwknop.DefaultDigest)
		if err != nil {
			t.Fatal(err)
		}
		v.Set(reflect.ValueOf(key))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.MustParseAddrPort("192.0.2.1:1")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint16, reflect.Uint8, reflect.Uint64:
		v.SetUint(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				alter(t, v.Field(i))
				return
			}
		}
		t.Fatalf("%s has no field to alter", v.Type())
	case reflect.Interface:
		v.Set(reflect.ValueOf(loaded(t, "sallyport.toml", `door=[{name="ssh", ports=["tcp/22"]}]
client=[{name="a", doors=["ssh"], key="`+aKey+`"}]
spa.port=40000`).Clients[0].Key))
	default:
		t.Fatalf("%s cannot be altered: teach this test", v.Type())
	}
}
