package portal

import (
	"net/http"
	"strings"
	"time"
)

// sessionView is a session in the list.
type sessionView struct {
	ID      string
	Browser string
	Address string
	Started time.Time
	LastUse time.Time
	This    bool
	Code    bool // by recovery code
}

func (p *Portal) sessionsPage(c *call) {
	c.render(http.StatusOK, "sessions", "sessions.title", map[string]any{
		"Sessions": p.allSessions(c), "Ended": c.r.URL.Query().Has("ended"),
	})
}

// endSessions ends one session of the user by its ID, or without an ID all others.
func (p *Portal) endSessions(c *call) {
	if id := c.r.PostForm.Get("id"); id != "" {
		p.sessions.endOf(c.session.number, id)
		p.askAll(c, sessionsOf{Number: c.session.number, End: id})
	} else {
		p.endAll(c.session.number, c.session)
	}
	c.redirect("/me/sessions?ended")
}

// browserOf names the browser and system of a request as far as they are known, for
// people who look for one that is not theirs.
func browserOf(agent string) string {
	first := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	browser := first([][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}})
	system := first([][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"CrOS", "Chromebook"}, {"Linux", "Linux"}})
	return strings.Trim(browser+", "+system, ", ")
}
