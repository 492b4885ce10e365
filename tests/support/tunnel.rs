//! A proxy that makes tunnels (CONNECT), so that a registry can have a name and any port.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A proxy for `registry.test` that leads every tunnel to one port of this machine.
pub(crate) struct Tunnel {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// `wants` is what has to stand in a request's head.
    pub(crate) fn start(to: u16, wants: &str) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, wants) = (heads.clone(), wants.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (seen, wants) = (seen.clone(), wants.clone());
                std::thread::spawn(move || drop(serve(client, to, &wants, &seen)));
            }
        });
        Tunnel { port, heads }
    }

    /// Where it listens, at 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The heads of all requests for a tunnel so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.heads().len()
    }
}

fn serve(client: TcpStream, to: u16, wants: &str, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut head = String::new();
    let mut reader = BufReader::with_capacity(1, client.try_clone()?);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    seen.lock().unwrap().push(head.clone());
    if !head.starts_with("CONNECT registry.test:") || !head.contains(wants) {
        return (&client).write_all(b"HTTP/1.1 407 Who Are You\r\ncontent-length: 0\r\n\r\n");
    }
    let upstream = TcpStream::connect(("127.0.0.1", to))?;
    (&client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut up) = (client.try_clone()?, upstream.try_clone()?);
    std::thread::spawn(move || {
        io::copy(&mut from, &mut up).ok();
        up.shutdown(std::net::Shutdown::Write).ok();
    });
    io::copy(&mut &upstream, &mut &client).map(drop)
}
