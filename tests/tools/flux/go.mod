module kb.test/tools/flux

go 1.25.8

require github.com/fluxcd/kustomize-controller v1.9.5
