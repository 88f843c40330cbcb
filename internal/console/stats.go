package console

import "github.com/tvilling/tvilling/internal/console/web"

// Stats returns what the pages have counted.
func (c *Console) Stats() web.Stats { return c.site.Stats() }
