//! What every command gets beside its own arguments.

use std::path::{Path, PathBuf};

use super::environment::{Environment, SOPS_CONFIG};
use super::failure::{Failure, remove_lines};
use super::options::CommonOptions;
use super::origin::Sourced;
use super::report::Report;
use super::stdout::Stdout;
use crate::cli::message::Hint;
use crate::cli::message::command::{kubectl, quoted};
use crate::core::cluster::{Cluster, ClusterTarget, Exposure, kubeconfig};
use crate::core::encrypted::FileError;
use crate::core::flux_secret::BadLine;
use crate::core::git::Git;
use crate::core::repository::{self, ConfigLocation, FoundConfig};
use crate::core::sops::Sops;

/// The process around a command, resolved into plain values.
pub struct Context {
    /// The options that every command takes.
    pub common: CommonOptions,
    /// The environment.
    pub environment: Environment,
    /// The working directory.
    pub directory: PathBuf,
    /// Where words go.
    pub report: Report,
    /// Where the answer goes.
    pub stdout: Stdout,
}

impl Context {
    /// Connects to the cluster that the options and the environment name.
    ///
    /// # Errors
    /// When there is no such cluster, or no way to log in.
    pub fn connect(&self) -> Result<Cluster, Failure> {
        let options = &self.common;
        let (named, context) = (options.kubeconfig.as_ref(), options.context.as_ref());
        let source = self.environment.kubeconfig(named, context);
        let target = kubeconfig::load(&source)?;
        let (name, server) = (target.context.clone(), target.server());
        self.report.detail(&format!(
            "asking the API server {server} (context \"{name}\")"
        ));
        self.warn_of_exposure(&target);
        Ok(Cluster::connect(target, self.common.request_timeout.0)?)
    }

    /// Before anything is sent.
    fn warn_of_exposure(&self, target: &ClusterTarget) {
        let (server, context) = (target.server(), &target.context);
        let cluster = quoted(&target.cluster);
        let (text, hint) = match target.exposure() {
            None => return,
            Some(Exposure::Unverified) => (
                format!(
                    "the certificate of the API server {server} is not verified (insecure-skip-tls-verify, \
                     context \"{context}\"): whoever answers at this address gets your credentials, and can \
                     read and replace the private key"
                ),
                Hint::command(
                    "to have it verified:",
                    kubectl(format!(
                        "config set-cluster {cluster} --embed-certs --certificate-authority=FILE"
                    )),
                ),
            ),
            Some(Exposure::Unencrypted) => (
                format!(
                    "the API server {server} is reached without TLS (context \"{context}\"): anyone on the network \
                     path can read and replace the private key; as kubectl, kb sends no credentials there"
                ),
                Hint::command(
                    "if it has an https:// address:",
                    kubectl(format!(
                        "config set-cluster {cluster} --server=https://HOST:PORT"
                    )),
                ),
            ),
        };
        self.report.warning(&text, Some(&hint));
    }

    /// The absolute path of a file that was named, as sops is to get it.
    ///
    /// # Errors
    /// When it is a directory by its form, or another file for sops than for the
    /// shell.
    pub fn file(&self, path: &Path) -> Result<PathBuf, FileError> {
        let file = repository::absolute(&self.directory, path);
        if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(FileError::Directory { path: file });
        }
        match repository::other_file(&self.directory, path) {
            None => Ok(file),
            Some(here) => Err(FileError::Ambiguous {
                path: path.to_owned(),
                here,
                sops: file,
            }),
        }
    }

    /// The `.sops.yaml` that was named, by `--config` or `SOPS_CONFIG`.
    pub fn named_config(&self) -> Option<PathBuf> {
        self.sourced_config().map(|named| named.value)
    }

    /// The same, with what named it.
    pub fn sourced_config(&self) -> Option<Sourced<PathBuf>> {
        Sourced::named(
            ("--config", self.common.config.clone()),
            (SOPS_CONFIG, self.environment.named_config()),
        )
    }

    /// Where the config is that commands change.
    pub fn config_location(&self) -> ConfigLocation {
        repository::locate(&self.directory, self.named_config().as_deref())
    }

    /// The same, as sops takes it.
    pub fn found_config(&self) -> Option<FoundConfig> {
        let named = self.named_config()?;
        repository::find_config(&self.directory, Some(&named))
    }

    /// The top of the repository around the working directory, which stands in for it
    /// where there is none; and its Git, if it is one of Git's.
    pub fn repository(&self) -> (PathBuf, Option<Git>) {
        let directory = &self.directory;
        let root = repository::root(directory).unwrap_or_else(|| directory.clone());
        let variables = || self.environment.variables();
        let git = repository::git_root(directory).map(|_| Git::new(root.clone(), variables()));
        (root, git)
    }

    /// The Git repository that a file of an absolute path lies in.
    pub fn git_of(&self, file: &Path) -> Option<Git> {
        let directory = file.ancestors().skip(1).find(|above| above.is_dir())?;
        let root = repository::git_root(directory)?;
        let root = repository::root(directory).unwrap_or(root);
        Some(Git::new(root, self.environment.variables()))
    }

    /// The paths of `--skip`, as a walk through the `roots` comes to them.
    ///
    /// # Errors
    /// When one is not there, or not below a root.
    pub fn skipped(&self, paths: &[PathBuf], roots: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
        let (skip, gone) = self.skipped_or_gone(paths, roots)?;
        match gone.into_iter().next() {
            None => Ok(skip),
            Some(path) => Err(FileError::Missing { path }.into()),
        }
    }

    /// The same, and those that are not there but may be in a commit.
    ///
    /// # Errors
    /// When one is not below a root.
    pub fn skipped_or_gone(
        &self,
        paths: &[PathBuf],
        roots: &[PathBuf],
    ) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
        let (mut skip, mut gone) = (Vec::new(), Vec::new());
        for path in paths {
            let path = repository::absolute(&self.directory, path);
            if path.symlink_metadata().is_err() {
                gone.push(path);
                continue;
            }
            let below = repository::below(roots, &path);
            skip.push(below.ok_or_else(|| {
                let text = format!("{} is not in this repository", path.display());
                Failure::new(text).hint("--skip names what is to be left in it")
            })?);
        }
        Ok((skip, gone))
    }

    /// Finds sops on the `PATH`. A config that `--config` names is passed on.
    ///
    /// # Errors
    /// When it is not there.
    pub fn find_sops(&self) -> Result<Sops, Failure> {
        let config = self.common.config.as_ref();
        let config = config.map(|path| self.directory.join(path));
        Ok(Sops::find(self.environment.variables(), config)?)
    }

    /// Warns of lines in the Secret for which Flux refuses all of it.
    pub fn warn_of_bad_lines(&self, bad_lines: &[BadLine]) {
        let secret = self.common.secret();
        if let Some((bad, more)) = bad_lines.split_first() {
            let more = match more.len() {
                0 => String::new(),
                more => format!(" (and {more} more such lines)"),
            };
            let hints = remove_lines(&secret, bad_lines);
            self.report.warning(
                &format!(
                    "the Secret {secret}, {}, line {}: {}{more}; Flux refuses the whole Secret for it",
                    bad.entry, bad.line, bad.reason
                ),
                hints.first(),
            );
        }
    }
}
