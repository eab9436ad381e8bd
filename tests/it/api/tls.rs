//! The API under TLS: with the certificate that is configured, and nothing in clear.

use super::http::{ALL, Server};
use crate::scenario::Org;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

#[test]
fn the_api_speaks_tls_with_the_certificate_that_is_configured() {
    let world = Org::of_the_program("tls").world();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (world.path("api.pem"), world.path("api-key.pem"));
    std::fs::write(&certificate, own.cert.pem()).expect("written");
    std::fs::write(&key, own.signing_key.serialize_pem()).expect("written");
    let files = [certificate, key].map(|path| path.to_string_lossy().into_owned());
    let settings = [
        ("WORKERS", "0"),
        ("API__TLS__CERTIFICATE_FILE", files[0].as_str()),
        ("API__TLS__KEY_FILE", files[1].as_str()),
    ];
    let server = Server::start(world, "tls", &settings);
    server.await_ready();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::new(client), name).expect("a session");
    let socket = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    let mut stream = StreamOwned::new(session, socket);
    let request = format!(
        "GET /v1/orgs/nobody/settings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALL}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.contains("UNKNOWN_ORG"),
        "{answer}"
    );
    let mut plain = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
    plain.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP"), "answered in clear");
}
