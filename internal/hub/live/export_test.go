package live

// Cursor returns a cursor of a query.
func Cursor(text string, told, seen uint64) string {
	return position{told: told, seen: seen}.encode(digest(text), digest("run"))
}

// Again reads a cursor and writes it.
func Again(cursor string) (string, bool) {
	p, text, run, ok := parse(cursor)
	return p.encode(text, run), ok
}
