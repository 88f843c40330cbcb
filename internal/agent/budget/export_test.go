package budget

var (
	ParseStatm  = parseStatm
	ParsePeak   = parsePeak
	ParseCgroup = parseCgroup
	ParseMounts = parseMounts
	Below       = below
)

// CleanRanges is cleanRanges, as pairs of addresses.
func CleanRanges(smaps []byte, file string) (pairs [][2]uintptr) {
	for _, r := range cleanRanges(smaps, file) {
		pairs = append(pairs, [2]uintptr{r.start, r.end})
	}
	return pairs
}
