//! Generated cases, see [`testkit::generated`].

pub(crate) use testkit::generated::cases;
