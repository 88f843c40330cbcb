package budget

var (
	ParseStatm  = parseStatm
	ParsePeak   = parsePeak
	ParseCgroup = parseCgroup
	ParseMounts = parseMounts
	Below       = below
)
