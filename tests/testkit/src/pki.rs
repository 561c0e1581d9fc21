//! Certificates and keys of a test cluster.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate authority and what it has signed, all as PEM text.
#[derive(Clone, Debug)]
pub struct Pki {
    /// The authority's certificate, for servers and clients alike.
    pub ca: String,
    /// The server's certificate: 127.0.0.1, localhost and
    /// [`Pki::SERVER_NAME`].
    pub server_cert: String,
    /// The key of [`Pki::server_cert`].
    pub server_key: String,
    /// A client's certificate: user `kb-admin` in group `system:masters`.
    pub client_cert: String,
    /// The key of [`Pki::client_cert`].
    pub client_key: String,
    /// The key that signs service account tokens (ECDSA P-256, PKCS #8).
    pub account_key: String,
    /// The public half of [`Pki::account_key`].
    pub account_public_key: String,
}

impl Pki {
    /// A DNS name of the server's certificate that resolves nowhere, for
    /// kubeconfigs with `tls-server-name`.
    pub const SERVER_NAME: &str = "kb-test.example";

    /// New keys and certificates, all ECDSA P-256.
    #[must_use]
    pub fn generate() -> Self {
        let mut authority = named("kb-test-ca");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = new_key();
        let ca = authority.self_signed(&key).expect("a CA signs itself");
        let issuer = Issuer::new(authority, key);

        let mut server = CertificateParams::new(vec![
            "127.0.0.1".to_owned(),
            "localhost".to_owned(),
            Self::SERVER_NAME.to_owned(),
        ])
        .expect("the names are valid");
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        let (server_cert, server_key) =
            signed(server, ExtendedKeyUsagePurpose::ServerAuth, &issuer);

        let mut client = named("kb-admin");
        client
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        let (client_cert, client_key) =
            signed(client, ExtendedKeyUsagePurpose::ClientAuth, &issuer);

        let account = new_key();
        Self {
            ca: ca.pem(),
            server_cert,
            server_key,
            client_cert,
            client_key,
            account_key: account.serialize_pem(),
            account_public_key: account.public_key_pem(),
        }
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn signed(
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
) -> (String, String) {
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = new_key();
    let certificate = params.signed_by(&key, issuer).expect("the CA signs");
    (certificate.pem(), key.serialize_pem())
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a P-256 key can be made")
}
