package convert

import "strings"

// maxCommands bounds how many commands of one line are looked at.
const maxCommands = 64

// command is one program with its arguments, as a shell would start it.
type command []string

// String joins the words again, for people.
func (c command) String() string { return strings.Join(c, " ") }

// splitter takes a line for a shell apart. It knows quotes, backslashes,
// separators and redirections; what only a real shell could work out
// (variables, substitutions) stays in the words as it is.
type splitter struct {
	list    []command
	words   command
	word    strings.Builder
	started bool // the word may be empty, but is one: ""
	skip    bool // the next word is the file of a redirection
}

// split returns the commands of a line, without redirections.
func split(line string) []command {
	var s splitter
	var quote byte
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			s.add(line[i])
		case quote != 0:
			s.add(c)
		case c == '\'' || c == '"':
			quote, s.started = c, true
		case c == ' ' || c == '\t':
			s.endWord()
		case c == '>' || c == '<':
			s.redirect()
		case c == '&' && s.skip && s.word.Len() == 0: // 2>&1
		case c == ';' || c == '|' || c == '&' || c == '\n':
			s.endCommand()
		default:
			s.add(c)
		}
	}
	s.endCommand()
	return s.list
}

func (s *splitter) add(c byte) {
	s.started = true
	s.word.WriteByte(c)
}

func (s *splitter) endWord() {
	if s.started && !s.skip {
		s.words = append(s.words, s.word.String())
	}
	if s.started {
		s.skip = false
	}
	s.word.Reset()
	s.started = false
}

// redirect drops the number of a descriptor before the sign, and the file
// behind it.
func (s *splitter) redirect() {
	if w := s.word.String(); w == "1" || w == "2" {
		s.word.Reset()
		s.started = false
	}
	s.endWord()
	s.skip = true
}

func (s *splitter) endCommand() {
	s.endWord()
	s.skip = false
	if len(s.words) > 0 && len(s.list) < maxCommands {
		s.list = append(s.list, s.words)
	}
	s.words = nil
}
