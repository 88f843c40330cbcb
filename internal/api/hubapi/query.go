package hubapi

import (
	"log/slog"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// DamagedHeader tells how many twins a page leaves out because their stored
// bytes are damaged.
const DamagedHeader = "Tvilling-Damaged"

type queryBody struct {
	Query *string `json:"query"`
}

// query is POST /devices/query (wire §7.1).
func (h *Handler) query(c *rest.Call) error {
	q, err := bodyQuery(c)
	if err != nil {
		return err
	}
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	damaged := 0
	page, err := h.Search.Run(c.Context(), q, query.Options{
		Size: size, Continuation: c.R.Header.Get("x-ms-continuation"), Damaged: logDamaged(c, &damaged),
	})
	if err != nil {
		return err
	}
	if page.Scanned > 0 {
		c.Note(slog.Int("rows_examined", page.Scanned))
	}
	header := c.W.Header()
	if damaged > 0 {
		header.Set(DamagedHeader, strconv.Itoa(damaged))
	}
	// C# parses the type by case; Node takes any x-ms-continuation, even an
	// empty one, for another page (wire §0.7).
	header.Set("x-ms-item-type", itemType(q))
	if page.Next != "" {
		header.Set("x-ms-continuation", page.Next)
	}
	return c.JSON(page.Body, "")
}

// explain is GET and POST /tvilling/query/explain: how a query is answered.
func (h *Handler) explain(c *rest.Call) error {
	q, err := askedQuery(c)
	if err != nil {
		return err
	}
	run := true
	if c.Query.Get("run") != "" {
		if run, err = c.Flag("run"); err != nil {
			return err
		}
	}
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	damaged := 0
	e, err := h.Search.Explain(c.Context(), q, query.Options{Size: size, Damaged: logDamaged(c, &damaged)}, run)
	if err != nil {
		return err
	}
	return c.Answer(e, "")
}

// logDamaged counts and logs the twins that a query leaves out.
func logDamaged(c *rest.Call, n *int) func(error) {
	return func(err error) {
		*n++
		c.Log(slog.LevelError, "damaged twin left out of a query", rest.ErrorAttr(err))
	}
}

// askedQuery reads the query of a request: of the parameter query, or the body.
func askedQuery(c *rest.Call) (*query.Query, error) {
	if c.Query.Has("query") {
		return query.Compile(c.Query.Get("query"))
	}
	return bodyQuery(c)
}

// bodyQuery reads the query of a body.
func bodyQuery(c *rest.Call) (*query.Query, error) {
	b, err := c.Object()
	if err != nil {
		return nil, err
	}
	var in queryBody
	if err := rest.Decode(b, &in); err != nil {
		return nil, err
	}
	if in.Query == nil {
		return nil, rest.BadMember("query", "The body needs the text of a query, as {\"query\":\"SELECT * FROM devices\"}.")
	}
	return query.Compile(*in.Query)
}

// itemType says what the rows are (wire §7.1). A join and a tale of the query
// are none of the service's own.
func itemType(q *query.Query) string {
	switch {
	case q.Explain():
		return "Raw"
	case q.Collection() == query.Jobs:
		return "DeviceJob"
	case q.Star() && q.Collection() != query.Joined:
		return "Twin"
	}
	return "Raw"
}

// pageSize reads x-ms-max-item-count; 0 stands for the largest page.
func pageSize(c *rest.Call) (int, error) {
	s := c.R.Header.Get("x-ms-max-item-count")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read header", Path: "x-ms-max-item-count", Message: "The value must be a whole number."}
	}
	return n, nil
}
