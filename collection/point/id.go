package point

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ID names a point: an unsigned 64-bit number or a UUID. IDs compare with ==; the zero ID is the number 0.
type ID struct {
	hi, lo uint64
	uuid   bool
}

// ErrID says that what should be the ID of a point is neither an unsigned number nor a UUID.
var ErrID = errors.New("not the ID of a point")

// Num is the ID of a number.
func Num(n uint64) ID { return ID{lo: n} }

// UUID is the ID of a UUID's 16 bytes.
func UUID(b [16]byte) ID {
	return ID{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), true}
}

// ParseID reads an ID: decimal digits, or a UUID as 32 hexadecimal digits, with or without the usual hyphens, braces or
// "urn:uuid:".
func ParseID(s string) (ID, error) {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && len(s) < 32 {
		return Num(n), nil
	}
	return ParseUUID(s)
}

// ParseUUID reads a UUID in any of the forms that [ParseID] does.
func ParseUUID(s string) (ID, error) {
	t := strings.TrimPrefix(s, "urn:uuid:")
	if len(t) == 38 && t[0] == '{' && t[37] == '}' {
		t = t[1:37]
	}
	if len(t) == 36 && t[8] == '-' && t[13] == '-' && t[18] == '-' && t[23] == '-' {
		t = t[:8] + t[9:13] + t[14:18] + t[19:23] + t[24:]
	}
	var b [16]byte
	if len(t) != 32 {
		return ID{}, fmt.Errorf("%q: %w: want an unsigned number or a UUID", s, ErrID)
	}
	if _, err := hex.Decode(b[:], []byte(t)); err != nil {
		return ID{}, fmt.Errorf("%q: %w: want an unsigned number or a UUID", s, ErrID)
	}
	return UUID(b), nil
}

// Number returns the number that id is; false if it is a UUID.
func (id ID) Number() (uint64, bool) { return id.lo, !id.uuid }

// UUID returns the bytes of the UUID that id is; false if it is a number.
func (id ID) UUID() (b [16]byte, ok bool) {
	binary.BigEndian.PutUint64(b[:8], id.hi)
	binary.BigEndian.PutUint64(b[8:], id.lo)
	return b, id.uuid
}

// Compare orders IDs as a collection does when it is scrolled: numbers by size, then UUIDs by their bytes.
func (id ID) Compare(other ID) int {
	if id.uuid != other.uuid {
		if id.uuid {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(id.hi, other.hi), cmp.Compare(id.lo, other.lo))
}

// AppendKey appends the 17 bytes of id whose order as bytes is that of Compare.
func (id ID) AppendKey(b []byte) []byte {
	kind := byte(0)
	if id.uuid {
		kind = 1
	}
	b = append(b, kind)
	b = binary.BigEndian.AppendUint64(b, id.hi)
	return binary.BigEndian.AppendUint64(b, id.lo)
}

// FromKey reads what AppendKey wrote.
func FromKey(b []byte) (ID, error) {
	if len(b) != 17 || b[0] > 1 || b[0] == 0 && binary.BigEndian.Uint64(b[1:]) != 0 {
		return ID{}, fmt.Errorf("key %x: %w", b, ErrID)
	}
	return ID{binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint64(b[9:]), b[0] == 1}, nil
}

// String gives the number in decimal, or the UUID in its usual form.
func (id ID) String() string {
	if !id.uuid {
		return strconv.FormatUint(id.lo, 10)
	}
	b, _ := id.UUID()
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MarshalJSON writes a number as a number and a UUID as a string.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.uuid {
		return json.Marshal(id.String())
	}
	return strconv.AppendUint(nil, id.lo, 10), nil
}

// UnmarshalJSON reads an unsigned number, or a string that holds a UUID.
func (id *ID) UnmarshalJSON(b []byte) (err error) {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*id, err = ParseUUID(s)
		return err
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %w: want an unsigned number or a UUID", b, ErrID)
	}
	*id = Num(n)
	return nil
}
