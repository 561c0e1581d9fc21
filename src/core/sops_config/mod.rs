//! `.sops.yaml`: which recipients a path's files get.
//!
//! People write this file by hand, so kb changes it as they would: outside the
//! value that changes, every byte stays.
//!
//! | module | does |
//! | --- | --- |
//! | `config`, `model` | the file and its rules |
//! | `read` | reads them |
//! | `syntax`, `fault` | what is wrong in the file, and in a rule |
//! | `path_regex` | which paths a rule is for |
//! | `selection` | which values it encrypts |
//! | `placeholder` | texts in the place of a key that is filled in later |
//! | `routing` | which rule comes first, on example paths |
//! | `choose` | decides which rule a key belongs to |
//! | `edit` | splices the text by the byte ranges of [`yaml`][super::yaml] |
//!
//! Reading and editing share the tree of granit-parser, whose positions are exact for
//! byte order marks, CRLF and comments. Measured on generated configurations, other
//! editors were not: yaml-edit puts a new rule between a rule and its comment;
//! yamlpatch joins values with comments and mixes line endings; saphyr-parser's ranges
//! run into comments. After an edit the new text is read again, and only the intended
//! difference may be there.
//!
//! Format: sops 3.13, `config/config.go`.

mod choose;
mod config;
mod edit;
mod fault;
mod model;
mod path_regex;
mod placeholder;
mod read;
mod routing;
mod selection;
mod syntax;

pub use choose::{PlacementError, RuleSelector, check_for, choose};
pub use config::{DEFAULT_PATH_REGEX, FILE_NAME, RuleMatch, SopsConfig, check_form};
pub use edit::{ConfigEditError, InsertAt};
pub use fault::FaultKind;
pub use model::{ConfigError, CreationRule, Position, RuleSummary};
pub use path_regex::{GoRegex, PathForm};
pub use routing::RuleWarning;
pub use selection::{SELECTION_FIELDS, Selection};
