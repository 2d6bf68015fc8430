// Package wire holds what the agent and the host say to each other: the JSON of the HTTP API.
// The same shapes are in packages/server/src/guest/guest.ts.
package wire

import "strings"

// Configuration is what the agent is told once per boot.
type Configuration struct {
	BootID   string `json:"bootId"`
	Hostname string `json:"hostname"`
	// TimeMs is wall time, ms since the epoch.
	TimeMs int64 `json:"timeMs"`
	// Entropy is host randomness, 64 bytes.
	Entropy []byte `json:"entropy"`
	// MachineID has 32 hex digits.
	MachineID string  `json:"machineId"`
	Network   Network `json:"network"`
	// Start is the start command; nil when there is none.
	Start *Start `json:"start"`
}

// Network is what to set on the NIC.
type Network struct {
	IP          string   `json:"ip"`
	Prefix      int      `json:"prefix"`
	Gateway     string   `json:"gateway"`
	MAC         string   `json:"mac"`
	MTU         int      `json:"mtu"`
	Nameservers []string `json:"nameservers"`
}

// Start is the start command as it is run.
type Start struct {
	Argv []string `json:"argv"`
	Env  []string `json:"env"`
	Cwd  string   `json:"cwd"`
	// User is `user`, `uid`, `user:group` or `uid:gid`, resolved in the image.
	User string `json:"user"`
}

// Phase says how far the VM is.
type Phase string

// Phases, in order; failed comes instead of ready.
const (
	Waiting     Phase = "waiting"
	Configuring Phase = "configuring"
	Ready       Phase = "ready"
	Failed      Phase = "failed"
)

// StartState says how the start command is.
type StartState string

// States of the start command.
const (
	StartNone    StartState = "none"
	StartRunning StartState = "running"
	StartExited  StartState = "exited"
	StartFailed  StartState = "failed"
)

// StartInfo is the start command as it is now.
type StartInfo struct {
	State    StartState `json:"state"`
	Pid      int        `json:"pid"`
	ExitCode *int       `json:"exitCode"`
	Message  string     `json:"message"`
}

// Info is what the guest says of itself.
type Info struct {
	BootID           string    `json:"bootId"`
	KernelRelease    string    `json:"kernelRelease"`
	KernelVersion    string    `json:"kernelVersion"`
	Machine          string    `json:"machine"`
	Hostname         string    `json:"hostname"`
	AgentVersion     string    `json:"agentVersion"`
	UptimeSeconds    float64   `json:"uptimeSeconds"`
	CPUs             int       `json:"cpus"`
	MemoryTotalBytes int64     `json:"memoryTotalBytes"`
	Phase            Phase     `json:"phase"`
	Message          string    `json:"message"`
	Start            StartInfo `json:"start"`
}

// Stats is usage as the guest measures it.
type Stats struct {
	UptimeSeconds    float64 `json:"uptimeSeconds"`
	CPUBusyMs        int64   `json:"cpuBusyMs"`
	CPUTotalMs       int64   `json:"cpuTotalMs"`
	MemoryTotalBytes int64   `json:"memoryTotalBytes"`
	MemoryUsedBytes  int64   `json:"memoryUsedBytes"`
	DiskTotalBytes   int64   `json:"diskTotalBytes"`
	DiskUsedBytes    int64   `json:"diskUsedBytes"`
}

// Time is what the clock is set to after the VM was frozen.
type Time struct {
	// TimeMs is wall time, ms since the epoch.
	TimeMs int64 `json:"timeMs"`
}

// Shutdown asks for an orderly shutdown.
type Shutdown struct {
	// GraceMs is the time between terminate and kill.
	GraceMs int64 `json:"graceMs"`
}

// maxMessage bounds a message for people, bytes: it may quote what a user gave, and the host refuses answers that are too long.
const maxMessage = 1024

// Message returns the text of an error as it may be sent.
func Message(err error) string {
	text := err.Error()
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}
