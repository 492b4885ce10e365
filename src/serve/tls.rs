//! The certificate that the server shows: one that is given, or one of its own that it signs itself.
//!
//! Source: RFC 5280, RFC 7468.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::oci::Digest;

/// Why there is no certificate to show. The input's fault, but for `Own`.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the text that was given.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// No private key in the text that was given.
    #[error("there is no private key in it that can be used")]
    NoKey,
    /// The two do not belong together, or are of no use.
    #[error("certificate and key cannot be used: {0}")]
    Unfit(rustls::Error),
    /// No certificate could be made for these names.
    #[error("cannot make a certificate: {0}")]
    Own(rcgen::Error),
}

/// What is needed to speak TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// With a certificate and those above it, and its key, both PEM.
    ///
    /// # Errors
    /// Every [`TlsError`] but [`TlsError::Own`].
    pub fn given(certificates: &[u8], key: &[u8]) -> Result<Tls, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(|_| TlsError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
        Tls::of(chain, key)
    }

    /// With a new key, and a certificate for these host names and addresses that it signs itself.
    ///
    /// # Errors
    /// [`TlsError::Own`].
    pub fn own(names: Vec<String>) -> Result<Tls, TlsError> {
        let own = rcgen::generate_simple_self_signed(names).map_err(TlsError::Own)?;
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        Tls::of(vec![own.cert.der().clone()], key.into())
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Tls, TlsError> {
        let certificate = chain.first().cloned().ok_or(TlsError::NoCertificate)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(TlsError::Unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config), certificate })
    }

    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` reckons it, in hex.
    pub fn fingerprint(&self) -> String {
        Digest::of(&self.certificate).hex()
    }

    /// The certificate as PEM, for those who are to trust it.
    pub fn certificate(&self) -> String {
        let text = BASE64.encode(&self.certificate);
        let lines: Vec<&str> =
            (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_certificate_can_be_read_again() {
        let own = Tls::own(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let read = CertificateDer::from_pem_slice(own.certificate().as_bytes()).unwrap();
        assert_eq!(Digest::of(&read).hex(), own.fingerprint());
        let no_key = Tls::given(own.certificate().as_bytes(), b"");
        assert!(matches!(no_key, Err(TlsError::NoKey)));
        assert!(matches!(Tls::own(vec!["\u{e9}".to_owned()]), Err(TlsError::Own(_))));
    }
}
