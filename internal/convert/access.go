package convert

import (
	"fmt"
	"strings"
)

// readStanzas reads access.conf: lines of a name and a value, of which SOURCE
// begins a stanza. Older versions wrote "NAME: value;". What stands before the
// first stanza is in one of its own, without a name. Values may be secrets: no
// note repeats one.
func readStanzas(text string) ([]section, error) {
	list := []section{{line: 1}}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		key = strings.ToUpper(strings.TrimSuffix(key, ":"))
		value, _, _ = strings.Cut(value, ";")
		if key == "SOURCE" {
			if len(list) > maxSections {
				return nil, fmt.Errorf("line %d: more than %d stanzas", i+1, maxSections)
			}
			list = append(list, section{name: key, line: i + 1})
		}
		last := &list[len(list)-1]
		last.options = append(last.options, option{key, strings.TrimSpace(value), i + 1})
	}
	return list, nil
}

// known reports what becomes of the options of a stanza that need no more than a
// word. "" is for those that are carried over, or mean nothing here.
var known = map[string]string{
	"SOURCE": "", "OPEN_PORTS": "", "FW_ACCESS_TIMEOUT": "", "MAX_FW_TIMEOUT": "", "REQUIRE_USERNAME": "", "REQUIRE_SOURCE_ADDRESS": "", "REQUIRE_SOURCE": "",
	"ACCESS_EXPIRE": "", "ACCESS_EXPIRE_EPOCH": "", "CMD_CYCLE_OPEN": "", "CMD_CYCLE_CLOSE": "", "CMD_CYCLE_TIMER": "",
	"KEY": "", "KEY_BASE64": "", "HMAC_KEY": "", "HMAC_KEY_BASE64": "", "ENCRYPTION_MODE": "", "HMAC_DIGEST_TYPE": "",
	"GPG_DECRYPT_ID": gpgNote, "GPG_DECRYPT_PW": gpgNote, "GPG_ALLOW_NO_PW": gpgNote, "GPG_REQUIRE_SIG": gpgNote, "GPG_DISABLE_SIG": gpgNote,
	"GPG_IGNORE_SIG_VERIFY_ERROR": gpgNote, "GPG_REMOTE_ID": gpgNote, "GPG_FINGERPRINT_ID": gpgNote, "GPG_HOME_DIR": gpgNote, "GPG_EXE": gpgNote,
	"RESTRICT_PORTS": "", "DESTINATION": "",
	"ENABLE_CMD_EXEC": commandNote, "ENABLE_CMD_SUDO_EXEC": commandNote, "CMD_EXEC_USER": commandNote, "CMD_EXEC_GROUP": commandNote,
	"CMD_SUDO_EXEC_USER": commandNote, "CMD_SUDO_EXEC_GROUP": commandNote, "SUDO_EXE": commandNote,
	"FORCE_NAT": natNote, "FORCE_SNAT": natNote, "FORCE_MASQUERADE": natNote, "FORWARD_ALL": natNote, "DISABLE_DNAT": natNote,
	"%INCLUDE": includeNote, "%INCLUDE_FOLDER": includeNote, "%INCLUDE_KEYS": includeNote,
}

const (
	gpgNote     = "GnuPG is not used. Each client proves an SSH key, from a file, an agent or a hardware token."
	commandNote = "a message opens a door and cannot carry commands. What is to be run when a door opens is a hook."
	natNote     = "Sallyport never translates addresses. " + natRule
	natRule     = "Make the rule yourself, once and for all: a door guards the port before it is translated."
	includeNote = "files are not followed: import each of them, and put what comes out into conf.d."
)
