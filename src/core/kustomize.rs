//! Which files of a repository Flux applies for a path: those that its kustomization
//! names, and what that leads to; without one, all manifests below it.
//!
//! As Flux has it (`fluxcd/pkg/kustomize`, `scanManifests`): a directory below that has
//! a kustomization of its own is entered by that. What leads out of the repository, or
//! to a URL, is not followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::regular_file::{self, LARGEST_CONFIG};
use super::repository::absolute;
use super::yaml;

/// The names of a kustomization, in kustomize's order (`konfig`,
/// `RecognizedKustomizationFileNames`).
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The fields that list files or directories to apply.
const RESOURCES: [&str; 5] = [
    "resources",
    "bases",
    "components",
    "generators",
    "transformers",
];
/// The fields that list generators; Flux decrypts what those read.
const GENERATORS: [&str; 2] = ["secretGenerator", "configMapGenerator"];

/// Whether the file is a kustomization, which is read before anything is decrypted.
pub fn is_kustomization(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| FILE_NAMES.iter().any(|known| name == *known))
}

/// The files that Flux applies, or reads, for the `path` of a Kustomization, which is
/// from the `root`, and for its `components`, which are from the path. `files` are those
/// of the repository: absolute, and ordered.
pub fn files_of(
    files: &[PathBuf],
    root: &Path,
    path: &str,
    components: &[String],
) -> BTreeSet<PathBuf> {
    let mut found = Found {
        all: files,
        seen: BTreeSet::new(),
        files: BTreeSet::new(),
    };
    let path = absolute(root, Path::new(path.trim_start_matches('/')));
    found.directory(&path);
    for component in components {
        found.directory(&absolute(&path, Path::new(component)));
    }
    found.files
}

struct Found<'r> {
    all: &'r [PathBuf],
    seen: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl<'r> Found<'r> {
    /// The files of the repository below a directory: in their order they stand together.
    fn below(&self, directory: &Path) -> &'r [PathBuf] {
        let start = self.all.partition_point(|path| path.as_path() < directory);
        let below = self.all[start..].iter();
        let count = below.take_while(|path| path.starts_with(directory)).count();
        &self.all[start..start + count]
    }

    fn is_file(&self, path: &Path) -> bool {
        self.all
            .binary_search_by(|file| file.as_path().cmp(path))
            .is_ok()
    }

    /// A directory that is applied.
    fn directory(&mut self, directory: &Path) {
        if !self.seen.insert(directory.to_owned()) {
            return;
        }
        let mut names = FILE_NAMES.iter().map(|name| directory.join(name));
        match names.find(|file| self.is_file(file)) {
            Some(file) => self.kustomization(directory, &file),
            None => self.all_in(directory),
        }
    }

    fn all_in(&mut self, directory: &Path) {
        for path in self.below(directory) {
            let inner = path.strip_prefix(directory).unwrap_or(path);
            let mut parts = inner.components();
            let is_yaml = path
                .extension()
                .is_some_and(|it| it == "yaml" || it == "yml");
            match (parts.next(), parts.next()) {
                (Some(first), Some(_)) => self.directory(&directory.join(first)),
                _ if is_yaml => drop(self.files.insert(path.clone())),
                _ => {}
            }
        }
    }

    fn kustomization(&mut self, directory: &Path, file: &Path) {
        self.files.insert(file.to_owned());
        let documents = regular_file::read(file, LARGEST_CONFIG).ok();
        let documents = documents.and_then(|bytes| yaml::values(&bytes).ok());
        let parsed = documents.and_then(|documents| documents.into_iter().next());
        let kustomization = parsed.unwrap_or_default();
        for resource in RESOURCES
            .iter()
            .flat_map(|field| texts(&kustomization[*field]))
        {
            let path = absolute(directory, Path::new(resource));
            match self.is_file(&path) {
                true => self.file(path),
                false => self.directory(&path),
            }
        }
        let mut read = texts(&kustomization["patchesStrategicMerge"]);
        for field in ["patches", "patchesJson6902"] {
            read.extend(list(&kustomization[field]).filter_map(|patch| patch["path"].as_str()));
        }
        for generator in GENERATORS
            .iter()
            .flat_map(|field| list(&kustomization[*field]))
        {
            read.extend(texts(&generator["envs"]));
            read.extend(generator["env"].as_str());
            // "KEY=FILE", or "FILE".
            let files = texts(&generator["files"]).into_iter();
            read.extend(files.map(|file| file.split_once('=').map_or(file, |(_, file)| file)));
        }
        for file in read {
            self.file(absolute(directory, Path::new(file)));
        }
    }

    fn file(&mut self, path: PathBuf) {
        if self.is_file(&path) {
            self.files.insert(path);
        }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).filter_map(Value::as_str).collect()
}
