//! TLS under the HTTP library, with one rule of our own.
//!
//! The library's own TLS refuses a server whose certificate calls itself an authority, even when
//! it is the very certificate that the user said to trust. Self-signed registries are mostly made
//! so. Here such a certificate is taken for the server that it names, and for nothing else.
//!
//! Withstands: certificates of other authorities, for other names, or expired; a certificate that
//! is not byte for byte the trusted one. Source: RFC 5280, RFC 6125.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned,
};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::RegistryError;
use super::error::words;

/// Wraps connections in TLS where the address is https.
pub(super) struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// Trusts the authorities in `der` and in the texts `pem`, and nobody else.
    pub(super) fn new(der: &[Vec<u8>], pem: &[Vec<u8>]) -> Result<TlsConnector, RegistryError> {
        let authorities = authorities(der, pem)?;
        let refused =
            |error: &dyn fmt::Display| RegistryError::Authority(words(&error.to_string()));
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?;
        let mut roots = RootCertStore::empty();
        // Systems' stores hold certificates that no library reads; one more or less is no reason
        // to stop.
        roots.add_parsable_certificates(authorities.iter().cloned());
        // The verifier is not made without an authority; without one nothing is trusted.
        let config = if roots.is_empty() {
            builder.with_root_certificates(roots).with_no_client_auth()
        } else {
            let roots = Arc::new(roots);
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| refused(&error))?;
            let verifier = Arc::new(Verifier { inner, pinned: authorities, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        Ok(TlsConnector(Arc::new(config)))
    }
}

/// The certificates in `der` and in the texts `pem`.
fn authorities(
    der: &[Vec<u8>],
    pem: &[Vec<u8>],
) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let mut found: Vec<_> = der.iter().cloned().map(CertificateDer::from).collect();
    for text in pem {
        let before = found.len();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let refused = |error| RegistryError::Authority(words(&format!("{error:?}")));
            found.push(certificate.map_err(refused)?);
        }
        if found.len() == before {
            return Err(RegistryError::Authority("there is no certificate in the file".into()));
        }
    }
    Ok(found)
}

/// The usual verification, and the rule above where it fails for that one reason.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.inner.verify_server_cert(end_entity, intermediates, name, stapled, now) {
            // Found out after the dates were checked, before the name is.
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if why.to_string() == "CaUsedAsEndEntity"
                    && self.pinned.iter().any(|one| one == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']'))
            .map_err(|_| ureq::Error::Tls("the host has no name that a certificate could have"))?
            .to_owned();
        let mut connection = ClientConnection::new(self.0.clone(), name)?;
        let mut below = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        below.set_timeout(details.timeout);
        while connection.is_handshaking() {
            connection.complete_io(&mut below)?;
        }
        let stream = StreamOwned { conn: connection, sock: below };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// An encrypted connection.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output();
        Ok(self.stream.write_all(output.get(..amount).unwrap_or(output))?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}
