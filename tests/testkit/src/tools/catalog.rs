//! What there is to know about each program, in one table.

/// A program that the tests run for real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Sops,
    /// The oldest that kb works with; another module folder.
    OldestSops,
    Age,
    AgeKeygen,
    Etcd,
    KubeApiserver,
    Kubectl,
    KustomizeController,
    /// A program of the tests' own.
    Proxy,
}

/// How a program is recognized and built.
#[derive(Debug)]
pub(super) struct Recipe {
    /// The file name of the program.
    pub(super) binary: &'static str,
    /// The folder under `tests/tools` whose go.mod pins the version; also the
    /// first part of the folder's name in the cache.
    pub(super) folder: &'static str,
    /// The Go module whose version in that go.mod is the program's version.
    pub(super) module: &'static str,
    /// The Go package that is built.
    pub(super) package: &'static str,
    /// Arguments that make the program say its version, offline, and end.
    pub(super) version_args: &'static [&'static str],
    /// How long a cold build takes on two cores, for the person who waits.
    pub(super) cold_build: &'static str,
}

impl Tool {
    pub(super) const fn recipe(self) -> &'static Recipe {
        match self {
            Self::Sops => &Recipe {
                binary: "sops",
                folder: "sops",
                module: "github.com/getsops/sops/v3",
                package: "github.com/getsops/sops/v3/cmd/sops",
                version_args: &["--disable-version-check", "--version"],
                cold_build: "3 minutes",
            },
            Self::OldestSops => &Recipe {
                binary: "sops",
                folder: "sops-oldest",
                module: "github.com/getsops/sops/v3",
                package: "github.com/getsops/sops/v3/cmd/sops",
                version_args: &["--disable-version-check", "--version"],
                cold_build: "3 minutes",
            },
            Self::Age => &Recipe {
                binary: "age",
                folder: "age",
                module: "filippo.io/age",
                package: "filippo.io/age/cmd/age",
                version_args: &["--version"],
                cold_build: "10 seconds",
            },
            Self::AgeKeygen => &Recipe {
                binary: "age-keygen",
                folder: "age",
                module: "filippo.io/age",
                package: "filippo.io/age/cmd/age-keygen",
                version_args: &["--version"],
                cold_build: "10 seconds",
            },
            // The package is called server/v3, hence built under a name given.
            Self::Etcd => &Recipe {
                binary: "etcd",
                folder: "etcd",
                module: "go.etcd.io/etcd/server/v3",
                package: "go.etcd.io/etcd/server/v3",
                version_args: &["--version"],
                cold_build: "1 minute",
            },
            Self::KubeApiserver => &Recipe {
                binary: "kube-apiserver",
                folder: "kubernetes",
                module: "k8s.io/kubernetes",
                package: "k8s.io/kubernetes/cmd/kube-apiserver",
                version_args: &["--version"],
                cold_build: "6 minutes",
            },
            Self::Kubectl => &Recipe {
                binary: "kubectl",
                folder: "kubernetes",
                module: "k8s.io/kubernetes",
                package: "k8s.io/kubernetes/cmd/kubectl",
                version_args: &["version", "--client"],
                cold_build: "2 minutes",
            },
            // It knows no option for its version.
            Self::KustomizeController => &Recipe {
                binary: "kustomize-controller",
                folder: "flux",
                module: "github.com/fluxcd/kustomize-controller",
                package: "github.com/fluxcd/kustomize-controller",
                version_args: &["--help"],
                cold_build: "9 minutes",
            },
            Self::Proxy => &Recipe {
                binary: "proxy",
                folder: "proxy",
                module: "golang.org/x/net",
                package: ".",
                version_args: &[],
                cold_build: "10 seconds",
            },
        }
    }
}

/// The version, without the `v`, that a go.mod requires of a module.
pub(crate) fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let mut first = words.next()?;
        if first == "require" {
            first = words.next()?;
        }
        if first != module {
            return None;
        }
        words.next()?.strip_prefix('v')
    })
}

#[cfg(test)]
mod tests {
    use super::required_version;

    const GO_MOD: &str = "module m\n\
        tool example.org/a/v3\n\
        require example.org/one v0.9.0\n\
        require (\n\
        \texample.org/a v9.9.9 // indirect\n\
        \texample.org/a/v3 v3.1.4 // indirect\n\
        )\n\
        replace example.org/x => example.org/x v0.1.0\n";

    #[test]
    fn version_is_read_from_go_mod_by_whole_module_path() {
        assert_eq!(required_version(GO_MOD, "example.org/a/v3"), Some("3.1.4"));
        assert_eq!(required_version(GO_MOD, "example.org/one"), Some("0.9.0"));
        assert_eq!(required_version(GO_MOD, "example.org/none"), None);
    }
}
