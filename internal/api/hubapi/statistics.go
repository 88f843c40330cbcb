package hubapi

import (
	"strconv"

	"github.com/tvilling/tvilling/internal/api/rest"
)

// deviceStatistics is GET /statistics/devices.
func (h *Handler) deviceStatistics(c *rest.Call) error {
	s, err := h.Registry.Statistics(c.Context())
	if err != nil {
		return err
	}
	b := append([]byte(nil), `{"totalDeviceCount":`...)
	b = strconv.AppendInt(b, s.Devices, 10)
	b = append(b, `,"enabledDeviceCount":`...)
	b = strconv.AppendInt(b, s.Enabled, 10)
	b = append(b, `,"disabledDeviceCount":`...)
	b = strconv.AppendInt(b, s.Disabled, 10)
	return c.JSON(append(b, '}'), "")
}

// serviceStatistics is GET /statistics/service.
func (h *Handler) serviceStatistics(c *rest.Call) error {
	s, err := h.Registry.Statistics(c.Context())
	if err != nil {
		return err
	}
	b := append([]byte(nil), `{"connectedDeviceCount":`...)
	b = strconv.AppendInt(b, s.Connected, 10)
	return c.JSON(append(b, '}'), "")
}
