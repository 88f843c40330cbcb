//go:build !unix

package budget

import (
	"errors"
	"time"
)

func processTime() (time.Duration, error) { return 0, errors.ErrUnsupported }
