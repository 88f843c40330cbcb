package hubapi

// Offered returns the routes that the handler serves, as "GET /devices/{device}".
func Offered() []string { return names(routes()[:len(routes())-len(unoffered())]) }

// Unoffered returns the routes that it knows and refuses.
func Unoffered() []string { return names(unoffered()) }

func names(table []route) []string {
	var list []string
	for _, r := range table {
		list = append(list, r.method+" "+r.pattern)
	}
	return list
}

// ParsePoint reads a point of a twin's history.
var ParsePoint = parsePoint
