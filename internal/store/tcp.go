package store

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// tcpOptions determine how soon a connection whose other end has fallen silent is
// recognised as dead. The libpq parameters of the same names change them.
type tcpOptions struct {
	keepAlive net.KeepAliveConfig
	// user bounds how long sent data may stay without acknowledgement (TCP_USER_TIMEOUT,
	// RFC 5482). On Linux only.
	user time.Duration
}

// takeTCPOptions removes the parameters keepalives (0 or 1), keepalives_idle,
// keepalives_interval (both in seconds), keepalives_count and tcp_user_timeout
// (milliseconds) from those of a URL. The defaults detect a dead connection in 30 s.
func takeTCPOptions(params map[string]string) (tcpOptions, error) {
	on, idle, interval, count, user := 1, 15, 5, 3, 30_000
	for name, to := range map[string]*int{
		"keepalives": &on, "keepalives_idle": &idle, "keepalives_interval": &interval, "keepalives_count": &count,
		"tcp_user_timeout": &user,
	} {
		text, given := take(params, name)
		if !given {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return tcpOptions{}, fmt.Errorf("%s=%s is not a number", name, text)
		}
		*to = n
	}
	return tcpOptions{
		keepAlive: net.KeepAliveConfig{
			Enable: on != 0, Count: count,
			Idle: time.Duration(idle) * time.Second, Interval: time.Duration(interval) * time.Second,
		},
		user: time.Duration(user) * time.Millisecond,
	}, nil
}

func (o tcpOptions) dialer(timeout time.Duration) *net.Dialer {
	d := &net.Dialer{Timeout: timeout, KeepAliveConfig: o.keepAlive}
	if !o.keepAlive.Enable {
		d.KeepAlive = -1
	}
	if o.user > 0 {
		d.Control = userTimeout(o.user)
	}
	return d
}
