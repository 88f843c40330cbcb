package packet

// DecodeEmpty reads the packets that have a fixed header only: PINGREQ,
// PINGRESP and DISCONNECT.
func DecodeEmpty(f Frame) error {
	if len(f.Body) > 0 {
		return ErrTrailing
	}
	return nil
}

// AppendPingreq appends a PINGREQ to dst.
func AppendPingreq(dst []byte) []byte { return append(dst, byte(PINGREQ)<<4, 0) }

// AppendPingresp appends a PINGRESP to dst.
func AppendPingresp(dst []byte) []byte { return append(dst, byte(PINGRESP)<<4, 0) }

// AppendDisconnect appends a DISCONNECT to dst.
func AppendDisconnect(dst []byte) []byte { return append(dst, byte(DISCONNECT)<<4, 0) }
