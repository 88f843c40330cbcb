package collect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"
)

// fieldClass is what a field of an entry is good for.
type fieldClass uint8

const (
	fieldUnknown fieldClass = iota // was not looked at
	fieldOther
	fieldMessage
	fieldPacked     // a packed field; it may be the message
	fieldIdentifier // SYSLOG_IDENTIFIER of a program that tells of logins
	fieldForeign    // SYSLOG_IDENTIFIER of another
	fieldCommand    // _COMM
	fieldPID
	fieldRoot // _UID=0
	fieldSU   // _EXE of su
)

// knownField remembers what a field is. Entries share their fields: those that
// name the program are the same in each of its entries.
type knownField struct {
	off   uint64
	class fieldClass
}

// journalEntry is what an entry of a program that tells of logins says.
type journalEntry struct {
	sequence uint64
	at       time.Time
	program  string
	pid      int64
	message  string
	// trusted says that root wrote it, or su, which runs in its caller's name:
	// anybody else may call himself sshd.
	trusted bool
	// packed says that the message, or another field, could not be read.
	packed bool
}

// look reads the entry at off. It is false for one of another program, of which
// no more is read than it takes to know that.
func (j *journalFile) look(off uint64) (e journalEntry, ok bool, err error) {
	b := j.entry[:entryHeader]
	if err := j.read(b, off); err != nil {
		return e, false, err
	}
	size := binary.LittleEndian.Uint64(b[8:])
	if b[0] != objectEntry || size < entryHeader {
		return e, false, fmt.Errorf("%w: no entry at %d", errJournal, off)
	}
	e.sequence = binary.LittleEndian.Uint64(b[16:])
	micros := binary.LittleEndian.Uint64(b[24:])
	e.at = time.UnixMicro(int64(micros & (1<<62 - 1)))
	j.sequence = e.sequence
	width := uint64(16) // an offset and a hash
	if j.compact {
		width = 4
	}
	b = j.entry[entryHeader:][:min(size-entryHeader, width*maxJournalFields)]
	if err := j.read(b, off+entryHeader); err != nil {
		return e, false, err
	}
	command, identified := "", false
	for ; uint64(len(b)) >= width; b = b[width:] {
		var at uint64
		if j.compact {
			at = uint64(binary.LittleEndian.Uint32(b))
		} else {
			at = binary.LittleEndian.Uint64(b)
		}
		slot := &j.known[(at>>3)%uint64(len(j.known))]
		class := fieldUnknown
		if slot.off == at {
			class = slot.class
		}
		var value string
		switch class {
		case fieldOther:
			continue
		case fieldRoot, fieldSU:
		case fieldForeign:
			return e, false, nil
		default:
			if class, value, err = j.classify(at); err != nil {
				return e, false, err
			}
			*slot = knownField{at, class}
		}
		switch class {
		case fieldForeign:
			return e, false, nil
		case fieldIdentifier:
			e.program, identified = value, true
		case fieldCommand:
			command = value
		case fieldMessage:
			e.message = value
		case fieldPID:
			e.pid, _ = strconv.ParseInt(value, 10, 32) // 0 is "not known"
		case fieldRoot, fieldSU:
			e.trusted = true
		case fieldPacked:
			e.packed = true
		case fieldUnknown, fieldOther:
		}
	}
	if !identified {
		e.program = command
	}
	return e, programTags[e.program], nil
}

// classify reads a field.
func (j *journalFile) classify(off uint64) (fieldClass, string, error) {
	payload, packed, cut, err := j.data(off)
	if err != nil {
		return fieldUnknown, "", err
	}
	if packed {
		return fieldPacked, "", nil
	}
	name, value, ok := bytes.Cut(payload, []byte("="))
	if !ok {
		return fieldOther, "", nil
	}
	switch string(name) {
	case "MESSAGE":
		return fieldMessage, string(value), nil
	case "SYSLOG_IDENTIFIER":
		if cut || !programTags[string(value)] {
			return fieldForeign, "", nil
		}
		return fieldIdentifier, string(value), nil
	case "_COMM":
		return fieldCommand, string(value), nil
	case "_PID":
		return fieldPID, string(value), nil
	case "_UID":
		if string(value) == "0" {
			return fieldRoot, "", nil
		}
	case "_EXE":
		if string(value) == "/usr/bin/su" || string(value) == "/bin/su" {
			return fieldSU, "", nil
		}
	}
	return fieldOther, "", nil
}
