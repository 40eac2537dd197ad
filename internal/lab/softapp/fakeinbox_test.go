package softapp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/testkit"
)

const heartbeat = 25 * time.Second

func (s *fakeService) inbox(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Signum-Proof") != "" {
		s.t.Error("the inbox takes its proof in hello")
	}
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mu.Unlock()
	ctx := context.Background()
	_, data, err := c.Read(ctx)
	var hello struct{ Type, Proof string }
	if err != nil || json.Unmarshal(data, &hello) != nil || hello.Type != "hello" {
		s.t.Errorf("hello: %s, %v", data, err)
		return
	}
	a := s.welcome(c, hello.Proof)
	if a == nil {
		return
	}
	for {
		limit, cancel := context.WithTimeout(ctx, 2*heartbeat)
		_, data, err := c.Read(limit)
		cancel()
		if err != nil {
			return
		}
		f := object{}
		if err := json.Unmarshal(data, &f); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		a.heard = append(a.heard, f)
		mute := s.mute
		s.mu.Unlock()
		if f["type"] == "ping" && !mute {
			s.say(c, object{"type": "pong", "now": s.now().UnixMilli()})
		}
	}
}

// welcome accepts or closes a connection.
func (s *fakeService) welcome(c *websocket.Conn, proof string) *fakeApp {
	s.mu.Lock()
	a, no := s.prove(proof, "GET", "/app/v2/inbox", nil)
	if a != nil {
		a.dials = append(a.dials, time.Now())
	}
	end := fakeClose{}
	if no != nil {
		end = fakeClose{4401, no.code}
	} else if len(s.badHello) > 0 {
		end, s.badHello = s.badHello[0], s.badHello[1:]
	}
	if end.code != 0 {
		s.mu.Unlock()
		_ = c.Close(websocket.StatusCode(end.code), end.reason)
		return nil
	}
	a.conn = c
	pending := slices.Clone(a.pending)
	s.mu.Unlock()
	s.say(c, object{"type": "welcome", "now": s.now().UnixMilli(), "heartbeat": heartbeat.Milliseconds()})
	s.say(c, object{"type": "sync", "requests": pending})
	return a
}

func (s *fakeService) say(c *websocket.Conn, f object) {
	data, err := json.Marshal(f)
	if err != nil {
		s.t.Error(err)
	}
	_ = c.Write(context.Background(), websocket.MessageText, data) // an App that is gone reconnects
}

// ask makes a request pending and sends it if the inbox of the App is open.
func (s *fakeService) ask(device string, r object) {
	s.mu.Lock()
	a := s.apps[device]
	a.pending = append(a.pending, r)
	c := a.conn
	s.mu.Unlock()
	if c != nil {
		s.say(c, object{"type": "request", "request": r})
	}
}

// tell sends a frame.
func (s *fakeService) tell(device string, f object) {
	s.mu.Lock()
	c := s.apps[device].conn
	s.mu.Unlock()
	s.say(c, f)
}

// drop cuts the connection of an App.
func (s *fakeService) drop(device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.apps[device].conn; c != nil {
		_ = c.CloseNow()
	}
	s.apps[device].conn = nil
}

func (s *fakeService) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// called returns the calls of a path.
func (s *fakeService) called(name string) []fakeCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c fakeCall) bool { return c.path != name })
}

// heard returns the frames of a type that an App has sent.
func (s *fakeService) heard(device, kind string) []object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.apps[device].heard), func(f object) bool { return f["type"] != kind })
}

func (s *fakeService) dials(device string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.apps[device].dials)
}

// toSign is a signature request and toShow a receipt, both valid for over a
// minute.
func (s *fakeService) toSign(id, text string) object {
	return object{"id": id, "op": "sign", "party": object{"name": "Example Bank"}, "mime": "text/plain", "text": text, "lang": "en", "attrs": b64u.EncodeToString(softapp.SignedAttrs(text)),
		"created": s.now().UnixMilli(), "expires": s.now().Add(90 * time.Second).UnixMilli()}
}

func (s *fakeService) toShow(id, text string) object {
	return object{"id": id, "op": "display", "party": object{"name": "Example Bank"}, "mime": "text/plain", "text": text, "lang": "en",
		"created": s.now().UnixMilli(), "expires": s.now().Add(80 * time.Second).UnixMilli()}
}

// appLab is a fake service with Apps, in a bubble of synctest.
type appLab struct {
	*softapp.Apps
	t       *testing.T
	service *fakeService
	diary   testkit.Events[person.Event]
	config  softapp.Config
	quit    func()
}

// inBubble runs a test with running Apps in a bubble.
func inBubble(t *testing.T, c softapp.Config, f func(l *appLab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &appLab{t: t, service: newFakeService(t)}
		c.Base, c.HTTPClient, c.Observe = "http://localhost/app/v2", l.service.client(), l.diary.Note
		if c.Store == nil {
			c.Store = new(softapp.Memory)
		}
		l.config = c
		l.start()
		f(l)
		l.quit()
	})
}

// start loads the Apps from the storage and runs them, as a new process does.
func (l *appLab) start() {
	l.t.Helper()
	var err error
	if l.Apps, err = softapp.New(l.config); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	apps := l.Apps
	go func() { done <- apps.Run(ctx) }()
	l.quit = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
		apps.Close()
	}
	synctest.Wait()
}

// enrol enrols an App of the usual subscriber.
func (l *appLab) enrol(o softapp.EnrolOptions) string {
	l.t.Helper()
	l.service.set(func() { l.service.codes["K7QZ-4MX9-2T"] = msisdn })
	info, err := l.Enrol(l.t.Context(), "K7QZ-4MX9-2T", o)
	if err != nil {
		l.t.Fatal(err)
	}
	synctest.Wait()
	return info.DeviceID
}

func (l *appLab) device(id string) *softapp.Device {
	l.t.Helper()
	d, err := l.Device(id)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// wait lets time pass and everything settle.
func (l *appLab) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// answers returns the bodies of the answers to requests.
func (l *appLab) answers() []object {
	var all []object
	for _, c := range l.service.called("answer") {
		all = append(all, c.body)
	}
	return all
}
