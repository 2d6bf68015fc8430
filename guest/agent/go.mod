module alcove/agent

go 1.24
