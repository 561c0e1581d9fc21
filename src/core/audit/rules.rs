//! Which rule of which `.sops.yaml` a file has.
//!
//! That is the config that was named, else the nearest one above the file: the one
//! that sops takes for it in its own directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::core::sops_config::{ConfigError, CreationRule, Paths, SopsConfig};

/// What no file is called.
const OTHER: &str = "of-another-name";

/// The rules of all files that are looked at.
#[derive(Debug, Default)]
pub struct Rules {
    configs: Vec<Config>,
    broken: Vec<Broken>,
    /// The config of a directory; `None` if there is none, or one that is broken.
    by_directory: HashMap<PathBuf, Option<usize>>,
    /// The config that was named: it is for all files.
    named: bool,
}

/// A config that cannot be used.
#[derive(Debug)]
struct Broken {
    base: PathBuf,
    error: ConfigError,
}

#[derive(Debug)]
struct Config {
    config: SopsConfig,
    /// The directory that its rules are matched from.
    base: PathBuf,
    /// What the files' paths look like to them.
    paths: Paths,
    /// For each rule, whether it is for every path.
    for_all: Vec<bool>,
}

/// The rule of a file.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'r> {
    /// The config that it stands in.
    pub config: &'r SopsConfig,
    /// The rule.
    pub rule: &'r CreationRule,
    /// The directory that its paths are matched from.
    pub base: &'r Path,
    /// Whether it is for every path: then it says nothing of what a file is.
    pub is_for_all: bool,
}

impl Rules {
    /// The rules of one config, for all files, whose paths look to it like this.
    pub(super) fn named(
        config: Result<SopsConfig, ConfigError>,
        base: PathBuf,
        paths: Paths,
    ) -> Self {
        let mut rules = Self {
            named: true,
            ..Self::default()
        };
        rules.add(config, base, paths);
        rules
    }

    /// The rules for files in these directories, which are absolute. `load` reads the
    /// config of a directory, where it has one.
    pub(super) fn of_directories<'p>(
        directories: impl IntoIterator<Item = &'p Path>,
        mut load: impl FnMut(&Path) -> Option<Result<SopsConfig, ConfigError>>,
    ) -> Self {
        let mut rules = Self::default();
        for directory in directories {
            let mut unknown = Vec::new();
            let mut found = None;
            for above in directory.ancestors() {
                if let Some(known) = rules.by_directory.get(above) {
                    found = *known;
                    break;
                }
                unknown.push(above.to_owned());
                if let Some(config) = load(above) {
                    found = rules.add(config, above.to_owned(), Paths::Relative);
                    break;
                }
            }
            for above in unknown {
                rules.by_directory.insert(above, found);
            }
        }
        rules
    }

    fn add(
        &mut self,
        config: Result<SopsConfig, ConfigError>,
        base: PathBuf,
        paths: Paths,
    ) -> Option<usize> {
        let checked = config.and_then(|config| config.check().map(|()| config));
        match checked {
            Ok(config) => {
                let for_all = |rule: &CreationRule| rule.is_for_every_path(paths);
                let for_all = config.rules.iter().map(for_all).collect();
                self.configs.push(Config {
                    config,
                    base,
                    paths,
                    for_all,
                });
                Some(self.configs.len() - 1)
            }
            Err(error) => {
                self.broken.push(Broken { base, error });
                None
            }
        }
    }

    /// The configs.
    pub fn configs(&self) -> impl Iterator<Item = &SopsConfig> {
        self.configs.iter().map(|found| &found.config)
    }

    /// The same, each with what the files' paths look like to its rules.
    pub fn configs_and_paths(&self) -> impl Iterator<Item = (&SopsConfig, Paths)> {
        self.configs
            .iter()
            .map(|found| (&found.config, found.paths))
    }

    /// Whether all configs can be used: else nobody knows what rules there are.
    pub fn are_known(&self) -> bool {
        self.broken.is_empty()
    }

    /// Whether a config for the files of this directory cannot be used.
    pub fn are_broken_at(&self, directory: &Path) -> bool {
        let mut broken = self.broken.iter();
        broken.any(|broken| self.named || directory.starts_with(&broken.base))
    }

    /// What is wrong with the configs that cannot be used. They are not known any more.
    pub fn take_broken(&mut self) -> Vec<ConfigError> {
        let broken = std::mem::take(&mut self.broken);
        broken.into_iter().map(|broken| broken.error).collect()
    }

    /// The rule that a file has, by its absolute path.
    pub fn of(&self, file: &Path) -> Option<Rule<'_>> {
        let found = self.entry_of(file)?;
        let index = found.config.rule_index(&found.base, file)?;
        Some(Rule {
            config: &found.config,
            rule: &found.config.rules[index],
            base: &found.base,
            is_for_all: found.for_all[index],
        })
    }

    fn entry_of(&self, file: &Path) -> Option<&Config> {
        if self.named {
            return self.configs.first();
        }
        let index = self.by_directory.get(file.parent()?)?.as_ref()?;
        self.configs.get(*index)
    }
}

impl Rule<'_> {
    /// Whether it names the kind of the file, by the ending of its name: with another
    /// one it would not be for it.
    pub(super) fn names_kind(&self, file: &Path) -> bool {
        // Of a name that begins with a dot, and has no other, the whole is the ending.
        !self.is_for(&match file.extension() {
            Some(_) => file.with_extension(OTHER),
            None => file.with_file_name(format!(".{OTHER}")),
        })
    }

    /// Whether it names the file itself: one with another name and the same ending it
    /// would not be for.
    pub(super) fn names_file(&self, file: &Path) -> bool {
        let mut other = PathBuf::from(OTHER);
        if let Some(ending) = file.extension() {
            other.set_extension(ending);
        }
        !self.is_for(&file.with_file_name(other))
    }

    /// Whether the file of an absolute path would have this rule.
    fn is_for(&self, file: &Path) -> bool {
        let index = self.config.rule_index(self.base, file);
        index.is_some_and(|index| std::ptr::eq(&self.config.rules[index], self.rule))
    }
}
