//! Which files of a repository Flux applies for a path, and how it reads each of them.
//!
//! As kustomize-controller 1.9 does it (`internal/decryptor`, `fluxcd/pkg/kustomize`):
//! before the build it decrypts, in place, what `secretGenerator` and `patches` name in
//! every kustomization that `resources` and `components` lead to. After the build it
//! decrypts the objects that are encrypted, and the entries of Secrets that are. Whatever
//! else a kustomization reads stays as it is. What leads out of the repository, or to a
//! URL, is not followed.
//!
//! | module | holds |
//! | --- | --- |
//! | `fields` | the fields of one kustomization, read as kustomize reads them |

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::encrypted::Format;
use super::repository::absolute;
use fields::KustomizationFields;

/// The names of a kustomization, in kustomize's order (`konfig`,
/// `RecognizedKustomizationFileNames`).
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Fields that list configuration: Flux never decrypts what is read through them.
const CONFIGURATION: [&str; 5] = [
    "configurations",
    "crds",
    "generators",
    "transformers",
    "validators",
];

/// Whether the file is a kustomization, which is read before anything is decrypted.
pub fn is_kustomization(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| FILE_NAMES.iter().any(|known| name == *known))
}

/// How Flux reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// As manifests. Encrypted objects are decrypted after the build.
    Manifests,
    /// As a patch, which brings its metadata into the object that it changes.
    Patch,
    /// As an entry of a Secret, which is delivered in this format, whatever the format
    /// that it is encrypted in.
    SecretFile {
        /// The format.
        format: Format,
        /// Whether it is decrypted in place before the build, if it has that format.
        in_place: bool,
    },
    /// As variables. It is decrypted, in place, if it is encrypted in this format.
    Envs(Format),
    /// Never decrypted. The field of the kustomization that names it.
    AsIs(&'static str),
}

/// Why kustomize cannot build what Flux is to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildFault {
    /// Git's conflict markers are in a kustomization.
    Conflict {
        /// The kustomization.
        file: PathBuf,
        /// The line of the first one, from 1.
        line: u64,
    },
    /// A kustomization cannot be parsed; line and column from 1.
    NotParsed {
        /// The kustomization.
        file: PathBuf,
        /// Line and column, from 1.
        place: (u64, u64),
    },
    /// A field has the wrong type.
    WrongType {
        /// The kustomization.
        file: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// There is nothing in a kustomization.
    Empty {
        /// The kustomization.
        file: PathBuf,
    },
    /// A directory contains several kustomizations.
    Several {
        /// The first two of them.
        files: [PathBuf; 2],
    },
}

/// What Flux applies for a path.
#[derive(Debug, Default)]
pub struct Applied {
    /// The files that it reads, and how.
    pub files: BTreeMap<PathBuf, BTreeSet<Reading>>,
    /// What makes the build fail.
    pub faults: Vec<BuildFault>,
}

impl Applied {
    /// What Flux applies for the `path` of a Kustomization, which is relative to `root`, and
    /// for its `components`, which are relative to that path. `files` are the files of
    /// the repository: absolute, and ordered.
    pub fn new(files: &[PathBuf], root: &Path, path: &str, components: &[String]) -> Self {
        let mut walk = ResourceWalk {
            all: files,
            entered: BTreeSet::new(),
            applied: Self::default(),
        };
        let path = absolute(root, Path::new(path.trim_start_matches('/')));
        walk.directory(&path, Role::Resources);
        for component in components {
            walk.directory(&absolute(&path, Path::new(component)), Role::Resources);
        }
        walk.applied
    }
}

/// What a directory is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// Its objects are applied, and the decryption follows the kustomization there.
    Resources,
    /// Its objects are applied, and the decryption does not follow: `bases`, which
    /// kustomize still takes for `resources`.
    Bases,
    /// This field reads its objects as configuration.
    Configuration(&'static str),
}

impl Role {
    /// How manifests are read.
    fn manifests(self) -> Reading {
        match self {
            Self::Resources | Self::Bases => Reading::Manifests,
            Self::Configuration(field) => Reading::AsIs(field),
        }
    }

    /// How an entry of a generated Secret is read.
    fn secret_file(self, format: Format) -> Reading {
        match self {
            Self::Configuration(field) => Reading::AsIs(field),
            role => Reading::SecretFile {
                format,
                in_place: role == Self::Resources,
            },
        }
    }

    /// How the variables of a generated Secret are read.
    fn envs(self, format: Format) -> Reading {
        match self {
            Self::Resources => Reading::Envs(format),
            Self::Bases => Reading::AsIs("bases"),
            Self::Configuration(field) => Reading::AsIs(field),
        }
    }

    /// How a patch is read.
    fn patch(self) -> Reading {
        match self {
            Self::Resources | Self::Bases => Reading::Patch,
            Self::Configuration(field) => Reading::AsIs(field),
        }
    }
}

struct ResourceWalk<'r> {
    all: &'r [PathBuf],
    entered: BTreeSet<(PathBuf, Role)>,
    applied: Applied,
}

impl<'r> ResourceWalk<'r> {
    /// The files below a directory: in an ordered list they are neighbours.
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

    fn directory(&mut self, directory: &Path, role: Role) {
        if !self.entered.insert((directory.to_owned(), role)) {
            return;
        }
        let names = FILE_NAMES.iter().map(|name| directory.join(name));
        let found: Vec<PathBuf> = names.filter(|file| self.is_file(file)).collect();
        match found.as_slice() {
            [] => self.all_in(directory, role),
            [file] => self.kustomization(directory, file, role),
            [first, second, ..] => {
                let files = [first.clone(), second.clone()];
                self.fault(BuildFault::Several { files });
                self.kustomization(directory, first, role);
            }
        }
    }

    /// Flux makes a kustomization of all manifests below a directory that has none; a
    /// directory below that has one is entered by it.
    fn all_in(&mut self, directory: &Path, role: Role) {
        for path in self.below(directory) {
            let inner = path.strip_prefix(directory).unwrap_or(path);
            let mut parts = inner.components();
            let is_yaml = path
                .extension()
                .is_some_and(|it| it == "yaml" || it == "yml");
            match (parts.next(), parts.next()) {
                (Some(first), Some(_)) => self.directory(&directory.join(first), role),
                _ if is_yaml => self.file(path.clone(), role.manifests()),
                _ => {}
            }
        }
    }

    fn kustomization(&mut self, directory: &Path, file: &Path, role: Role) {
        self.file(file.to_owned(), role.manifests());
        let fields = match KustomizationFields::read(file) {
            Ok(fields) => fields,
            Err(fault) => return self.fault(fault),
        };
        for field in fields.of_wrong_type() {
            let file = file.to_owned();
            self.fault(BuildFault::WrongType { file, field });
        }
        let inside = |path: &str| absolute(directory, Path::new(path));
        let lists = [("resources", role), ("components", role)].into_iter();
        let bases = match role {
            Role::Resources => Role::Bases,
            role => role,
        };
        let lists = lists.chain([("bases", bases)]);
        let lists = lists.chain(CONFIGURATION.map(|field| (field, Role::Configuration(field))));
        for (field, role) in lists {
            for path in fields.texts(field).into_iter().map(inside) {
                if self.is_file(&path) {
                    self.file(path, role.manifests());
                } else {
                    self.directory(&path, role);
                }
            }
        }
        let patches = fields.texts("patchesStrategicMerge").into_iter();
        let patches = patches.chain(fields.texts_of("patches", "path"));
        for path in patches.chain(fields.texts_of("patchesJson6902", "path")) {
            self.file(inside(path), role.patch());
        }
        for entry in fields.lists_of("secretGenerator", "files") {
            let (key, path) = entry.split_once('=').unwrap_or((entry, entry));
            self.file(inside(path), role.secret_file(format_of_key(key)));
        }
        for path in fields.lists_of("secretGenerator", "envs") {
            let format = match format_of_key(path) {
                Format::Binary => Format::Dotenv,
                format => format,
            };
            self.file(inside(path), role.envs(format));
        }
        // Flux's decryption does not know the old spelling, which kustomize still reads.
        for path in fields.texts_of("secretGenerator", "env") {
            self.file(inside(path), Reading::AsIs("secretGenerator.env"));
        }
        let config_maps = fields.lists_of("configMapGenerator", "files").into_iter();
        let config_maps = config_maps.map(|entry| entry.split_once('=').map_or(entry, |it| it.1));
        let config_maps: Vec<&str> = config_maps
            .chain(fields.lists_of("configMapGenerator", "envs"))
            .chain(fields.texts_of("configMapGenerator", "env"))
            .collect();
        for path in config_maps {
            self.file(inside(path), Reading::AsIs("configMapGenerator"));
        }
    }

    fn file(&mut self, path: PathBuf, reading: Reading) {
        if self.is_file(&path) {
            self.applied.files.entry(path).or_default().insert(reading);
        }
    }

    /// A directory can be entered for several purposes.
    fn fault(&mut self, fault: BuildFault) {
        if !self.applied.faults.contains(&fault) {
            self.applied.faults.push(fault);
        }
    }
}

/// The format that kustomize-controller takes a generator's entry for, by its key
/// (`formatForPath`).
fn format_of_key(key: &str) -> Format {
    if key.ends_with(".dockerconfigjson") {
        Format::Json
    } else {
        Format::of(Path::new(key))
    }
}

#[cfg(test)]
mod tests;
