//! A Secret as it is in the cluster.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use secrecy::{ExposeSecret, SecretString};

/// A Secret as it is in the cluster. It may hold private keys, so it has no
/// `Debug`. What kb does not know of stays in it when it is changed.
#[derive(Clone)]
pub struct StoredSecret(Box<Secret>);

impl StoredSecret {
    pub(super) fn new(object: Secret) -> Self {
        Self(Box::new(object))
    }

    pub(super) fn object(&self) -> &Secret {
        &self.0
    }

    /// A Secret of nothing but data, for the tests of what reads one.
    #[cfg(test)]
    pub(crate) fn of(entries: &[(&str, &str)]) -> Self {
        let mut secret = Self::new(Secret::default());
        for (name, value) in entries {
            secret.set(name, Some(&SecretString::from(*value)));
        }
        secret
    }

    /// `metadata.uid`: another Secret of the same name has another one.
    pub fn uid(&self) -> &str {
        self.0.metadata.uid.as_deref().unwrap_or_default()
    }

    /// `metadata.resourceVersion`: it changes with every update.
    pub fn version(&self) -> &str {
        let version = self.0.metadata.resource_version.as_deref();
        version.unwrap_or_default()
    }

    /// Its data, decoded, ordered by the entries' names.
    pub fn data(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let data = self.0.data.iter().flatten();
        data.map(|(name, ByteString(value))| (name.as_str(), value.as_slice()))
    }

    /// The value of one entry.
    pub fn entry(&self, name: &str) -> Option<&[u8]> {
        let ByteString(value) = self.0.data.as_ref()?.get(name)?;
        Some(value)
    }

    /// Sets the value of an entry, or takes the entry out.
    pub fn set(&mut self, name: &str, value: Option<&SecretString>) {
        let data = self.0.data.get_or_insert_with(BTreeMap::new);
        match value {
            Some(value) => {
                let bytes = value.expose_secret().as_bytes().to_vec();
                data.insert(name.to_owned(), ByteString(bytes));
            }
            None => drop(data.remove(name)),
        }
    }

    /// Whether the server lets nobody change its data.
    pub fn is_immutable(&self) -> bool {
        self.0.immutable.unwrap_or(false)
    }

    /// Its owners, which would make it again, as `Kind/name`.
    pub fn owners(&self) -> impl Iterator<Item = String> {
        let owners = self.0.metadata.owner_references.iter().flatten();
        owners.map(|owner| format!("{}/{}", owner.kind, owner.name))
    }

    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        Some(self.0.metadata.labels.as_ref()?.get(name)?)
    }

    /// The managers that own a data entry by server-side apply: they would put
    /// back what they applied.
    pub fn appliers_of(&self, entry: &str) -> impl Iterator<Item = &str> {
        let fields = self.0.metadata.managed_fields.iter().flatten();
        let owned = format!("f:{entry}");
        let owns = move |field: &&ManagedFieldsEntry| {
            let applied = field.operation.as_deref() == Some("Apply");
            let fields = field.fields_v1.as_ref().map(|fields| &fields.0);
            applied && fields.is_some_and(|fields| fields["f:data"].get(&owned).is_some())
        };
        let managers = fields.filter(owns);
        managers.filter_map(|field| field.manager.as_deref())
    }
}
