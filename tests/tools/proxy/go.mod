// Go's own reading of HTTPS_PROXY and NO_PROXY, which client-go uses.
module kb.test/tools/proxy

go 1.25.0

require golang.org/x/net v0.57.0

require golang.org/x/text v0.40.0 // indirect
