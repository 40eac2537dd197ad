// Package config is the configuration of a node: data only. It reads a YAML
// file and the environment strictly, fills in the secrets that are kept in
// files, and checks everything together.
//
//	file ─▶ decode ─▶ environment ─▶ secrets from files ─▶ Validate ─▶ Config
//	        every step collects its problems; Load reports them all at once
//
// A problem names the file, the line, the path of the key and what to do:
//
//	signum.yaml:4: listen.mss.adress: unknown key, did you mean address?
//
// Each key has the same name in the file (listen.mss.address), in the
// environment (SIGNUM_LISTEN_MSS_ADDRESS) and in Config. A secret is given by
// its key or by the name of a file (…_file), never by both; it is printed as
// REDACTED by fmt, log/slog, encoding/json and YAML.
//
// example.yaml documents every key; a test holds it against Config and Default.
//
// It must not know what its values are for: it opens no listener, no store and
// no key, and nothing imports it but internal/node, internal/daemon, the sandbox
// and the commands of operators. What is code and not data (a clock, a decorator) is a
// dependency of the node and has no place here.
package config
