package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"alcove/agent/cmdlog"
	"alcove/agent/configure"
	"alcove/agent/process"
	"alcove/agent/stats"
	"alcove/agent/wire"
)

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func newAPI(t *testing.T) (http.Handler, *[]time.Duration) {
	api, graces := newPlainAPI(t)
	return api.Handler(), graces
}

func newPlainAPI(t *testing.T) (*API, *[]time.Duration) {
	source, err := stats.Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var graces []time.Duration
	machine := configure.NewMachine(process.NewReaper(), cmdlog.New(nowhere{}, time.Now))
	api := &API{Version: "test", Machine: machine, Stats: source, Shutdown: func(grace time.Duration) { graces = append(graces, grace) }}
	api.SetClock = func(int64) error { t.Error("the clock was set"); return nil }
	return api, &graces
}

func call(handler http.Handler, method, path, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	return answer
}

func TestInfoBeforeConfigureIsWaiting(t *testing.T) {
	handler, _ := newAPI(t)
	var info wire.Info
	answer := call(handler, "GET", "/agent/v1/info", "")
	if err := json.Unmarshal(answer.Body.Bytes(), &info); err != nil || answer.Code != 200 {
		t.Fatal(answer.Code, err)
	}
	if info.Phase != wire.Waiting || info.BootID != "" || info.Start.State != wire.StartNone || info.AgentVersion != "test" || info.Machine == "" {
		t.Fatalf("%+v", info)
	}
}

func TestBadRequestsAreRefusedWithoutEffect(t *testing.T) {
	handler, graces := newAPI(t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/agent/v1/nothing", "", 404},
		{"DELETE", "/agent/v1/info", "", 405},
		{"POST", "/agent/v1/configure", "", 400},
		{"POST", "/agent/v1/configure", "{}", 400},
		{"POST", "/agent/v1/configure", `{"unknown":1}`, 400},
		{"POST", "/agent/v1/configure", `{"bootId":7}`, 400},
		{"POST", "/agent/v1/configure", `{"bootId":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		{"GET", "/agent/v1/time", "", 405},
		{"POST", "/agent/v1/time", `{}`, 400},
		{"POST", "/agent/v1/time", `{"timeMs":-1}`, 400},
		{"POST", "/agent/v1/time", `{"timeMs":1e300}`, 400},
		{"POST", "/agent/v1/time", `{"timeMs":9007199254740991}`, 400},
		{"POST", "/agent/v1/shutdown", `{"graceMs":-1}`, 400},
		{"POST", "/agent/v1/shutdown", `{"graceMs":600001}`, 400},
		{"POST", "/agent/v1/shutdown", `{"graceMs":1} {}`, 400},
	} {
		if answer := call(handler, c.method, c.path, c.body); answer.Code != c.status {
			t.Errorf("%s %s %.40s: %d, not %d", c.method, c.path, c.body, answer.Code, c.status)
		}
	}
	if len(*graces) != 0 {
		t.Fatal("a refused shutdown began")
	}
}

func TestShutdownIsAnsweredAndBegins(t *testing.T) {
	handler, graces := newAPI(t)
	if answer := call(handler, "POST", "/agent/v1/shutdown", `{"graceMs":250}`); answer.Code != 200 || strings.TrimSpace(answer.Body.String()) != "{}" {
		t.Fatal(answer.Code, answer.Body)
	}
	if len(*graces) != 1 || (*graces)[0] != 250*time.Millisecond {
		t.Fatal(*graces)
	}
}

func TestTimeSetsTheClockAndTellsWhenItCannot(t *testing.T) {
	api, _ := newPlainAPI(t)
	var told []int64
	var failure error
	api.SetClock = func(timeMs int64) error { told = append(told, timeMs); return failure }
	handler := api.Handler()
	if answer := call(handler, "POST", "/agent/v1/time", `{"timeMs":1700000000000}`); answer.Code != 200 || strings.TrimSpace(answer.Body.String()) != "{}" {
		t.Fatal(answer.Code, answer.Body)
	}
	failure = errors.New("not permitted")
	if answer := call(handler, "POST", "/agent/v1/time", `{"timeMs":1700000000001}`); answer.Code != 500 {
		t.Fatal(answer.Code, answer.Body)
	}
	if len(told) != 2 || told[0] != 1_700_000_000_000 {
		t.Fatal(told)
	}
}
