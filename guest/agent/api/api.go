// Package api is the HTTP API of the agent. Each resource registers its routes in Handler; all have the prefix /agent/v1.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"

	"alcove/agent/configure"
	"alcove/agent/stats"
	"alcove/agent/wire"
)

const (
	prefix = "/agent/v1"
	// maxBody bounds a request body, bytes.
	maxBody = 1 << 20
	// maxGrace bounds the time a shutdown may wait.
	maxGrace = 10 * time.Minute
	// maxTimeMs bounds what the clock is set to: the kernel refuses what is too far off, and a time of 2200 is a mistake.
	maxTimeMs = 7_258_118_400_000
)

// API is what the handlers use.
type API struct {
	Version string
	Machine *configure.Machine
	Stats   *stats.Source
	// Shutdown begins the shutdown and returns at once.
	Shutdown func(grace time.Duration)
	// SetClock sets the wall clock, ms since the epoch.
	SetClock func(timeMs int64) error
}

// Handler returns the routes.
func (a *API) Handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET "+prefix+"/info", a.getInfo)
	routes.HandleFunc("POST "+prefix+"/configure", a.postConfigure)
	routes.HandleFunc("GET "+prefix+"/stats", a.getStats)
	routes.HandleFunc("POST "+prefix+"/time", a.postTime)
	routes.HandleFunc("POST "+prefix+"/shutdown", a.postShutdown)
	return routes
}

func (a *API) getInfo(w http.ResponseWriter, _ *http.Request) {
	a.answerInfo(w)
}

func (a *API) postConfigure(w http.ResponseWriter, r *http.Request) {
	var configuration wire.Configuration
	if !readJSON(w, r, &configuration) {
		return
	}
	if err := configure.Validate(configuration); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if err := a.Machine.Configure(configuration); err != nil {
		writeError(w, http.StatusConflict, err)
		return
	}
	a.answerInfo(w)
}

func (a *API) getStats(w http.ResponseWriter, _ *http.Request) {
	measured, err := a.Stats.Read(a.Machine.Root() != nil)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, measured)
}

func (a *API) postTime(w http.ResponseWriter, r *http.Request) {
	var request wire.Time
	if !readJSON(w, r, &request) {
		return
	}
	if request.TimeMs <= 0 || request.TimeMs > maxTimeMs {
		writeError(w, http.StatusBadRequest, errors.New("timeMs is after 1970 and before 2200"))
		return
	}
	if err := a.SetClock(request.TimeMs); err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

func (a *API) postShutdown(w http.ResponseWriter, r *http.Request) {
	var request wire.Shutdown
	if !readJSON(w, r, &request) {
		return
	}
	grace := time.Duration(request.GraceMs) * time.Millisecond
	if request.GraceMs < 0 || request.GraceMs > maxGrace.Milliseconds() {
		writeError(w, http.StatusBadRequest, errors.New("graceMs is 0 to 600000"))
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
	a.Shutdown(grace)
}

func (a *API) answerInfo(w http.ResponseWriter) {
	info, err := a.info()
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, http.StatusOK, info)
}

func (a *API) info() (wire.Info, error) {
	var kernel syscall.Utsname
	if err := syscall.Uname(&kernel); err != nil {
		return wire.Info{}, err
	}
	uptime, err := a.Stats.Uptime()
	if err != nil {
		return wire.Info{}, err
	}
	memory, err := a.Stats.MemoryTotal()
	if err != nil {
		return wire.Info{}, err
	}
	hostname, err := os.Hostname()
	if err != nil {
		return wire.Info{}, err
	}
	state := a.Machine.State()
	return wire.Info{
		BootID: state.BootID, Phase: state.Phase, Message: state.Message, Start: state.Start,
		KernelRelease: text(kernel.Release[:]), KernelVersion: text(kernel.Version[:]), Machine: text(kernel.Machine[:]),
		Hostname: hostname, AgentVersion: a.Version, UptimeSeconds: uptime, CPUs: stats.CPUs(), MemoryTotalBytes: memory,
	}, nil
}

// text reads a C string.
func text(field []int8) string {
	bytes := make([]byte, 0, len(field))
	for _, b := range field {
		if b == 0 {
			break
		}
		bytes = append(bytes, byte(b))
	}
	return string(bytes)
}

// readJSON reads a whole body into value; false when it has answered already.
func readJSON(w http.ResponseWriter, r *http.Request, value any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(value)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return true
		}
		err = errors.New("more than one JSON value")
	}
	status := http.StatusBadRequest
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	writeError(w, status, err)
	return false
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A host that has gone away does not want the rest.
	_ = json.NewEncoder(w).Encode(value)
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}
