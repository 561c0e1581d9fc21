//! The kustomize-controllers, as far as kb reads them: Flux's own and its shards.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt as _;

use super::SecretName;

/// The resource in the API.
pub(super) const RESOURCE: &str = "deployments";
/// The label by which Flux's manifests name the component.
pub(super) const SELECTOR: &str = "app.kubernetes.io/component=kustomize-controller";
/// The image, and the controller's option for a Secret that is used where a Kustomization
/// names none, of its own namespace (since Flux 2.7; kustomize-controller's `main.go`).
const IMAGE: &str = "kustomize-controller";
const OPTION: &str = "--sops-age-secret";

/// A kustomize-controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its namespace.
    pub namespace: String,
    /// The name of its Deployment.
    pub name: String,
    /// The tag of its image, as in `v1.7.2`; `None` if it has none.
    pub version: Option<String>,
    /// The Secret that it decrypts with where a Kustomization names none.
    pub fallback: Option<SecretName>,
}

impl Controller {
    /// `None` if no container of it is the controller.
    pub(super) fn new(deployment: &Deployment) -> Option<Self> {
        let spec = deployment.spec.template.spec.as_ref()?;
        let image_of = |container: &Container| container.image.clone().unwrap_or_default();
        let mut containers = spec.containers.iter();
        let container = containers.find(|container| image_of(container).contains(IMAGE))?;
        let namespace = deployment.namespace().unwrap_or_default();
        let words = [&container.command, &container.args];
        let words: Vec<&str> = words
            .into_iter()
            .flatten()
            .flatten()
            .map(String::as_str)
            .collect();
        let fallback = option(&words).map(|name| SecretName {
            namespace: namespace.clone(),
            name: name.to_owned(),
        });
        Some(Self {
            name: deployment.name_any(),
            version: tag(&image_of(container)).map(ToOwned::to_owned),
            fallback,
            namespace,
        })
    }
}

/// The value of the option, the last one as for Go's `flag`, which takes one dash too.
fn option<'w>(words: &[&'w str]) -> Option<&'w str> {
    let mut found = words.iter().enumerate().filter_map(|(index, word)| {
        let rest = word
            .strip_prefix(OPTION)
            .or_else(|| word.strip_prefix(&OPTION[1..]))?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => words.get(index + 1).copied(),
            None => None,
        }
    });
    found.next_back().filter(|name| !name.is_empty())
}

/// The tag of an image, without its digest.
fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_and_the_option_are_read_in_every_form() {
        assert_eq!(
            tag("ghcr.io/fluxcd/kustomize-controller:v1.7.2"),
            Some("v1.7.2")
        );
        assert_eq!(
            tag("host:5000/kustomize-controller:v1@sha256:0a"),
            Some("v1")
        );
        assert_eq!(tag("host:5000/kustomize-controller"), None);
        assert_eq!(option(&["--a", "--sops-age-secret=x"]), Some("x"));
        assert_eq!(option(&["-sops-age-secret", "x", "--b"]), Some("x"));
        assert_eq!(
            option(&["--sops-age-secret=x", "--sops-age-secret=y"]),
            Some("y")
        );
        for none in [
            "--sops-age-secrets=x",
            "--sops-age-secret=",
            "--sops-age-secret",
        ] {
            assert_eq!(option(&[none]), None, "{none}");
        }
    }
}
