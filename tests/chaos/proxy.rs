//! A TCP proxy before one service for one process: what makes a cable that can be pulled. Knows bytes, and no protocol but this: a
//! service that names others, as a sentinel does, can be made to name their cables.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use std::io::{Read, Write};

/// How a cable is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes, and nobody is told. What was under way arrives once the cable is mended: late requests included.
    Silent,
    /// Connections are reset, and new ones too.
    Reset,
}

pub struct Proxy {
    port: u16,
    cable: Arc<Cable>,
}

#[derive(Default)]
struct Cable {
    state: Mutex<State>,
    changed: Condvar,
    /// What is written in place of what, in answers.
    renamed: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Default)]
struct State {
    cut: Option<Cut>,
    ended: bool,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// From a free port of its own to this one.
    pub fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Proxy::over(listener, target)
    }

    pub fn over(listener: TcpListener, target: u16) -> Proxy {
        Proxy::new(listener, target, Cable::default())
    }

    /// The same, naming the second of each pair of ports where the service names the first.
    pub fn naming(target: u16, instead: &[(u16, u16)]) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        // As Redis writes a string.
        let written = |port: u16| format!("\r\n{port}\r\n").into_bytes();
        let renamed = instead.iter().map(|(port, other)| (written(*port), written(*other)));
        let cable = Cable {
            renamed: renamed.collect(),
            ..Cable::default()
        };
        let is_alike = |(one, other): &(Vec<u8>, Vec<u8>)| one.len() == other.len();
        assert!(cable.renamed.iter().all(is_alike), "ports of as many digits");
        Proxy::new(listener, target, cable)
    }

    fn new(listener: TcpListener, target: u16, cable: Cable) -> Proxy {
        let port = listener.local_addr().expect("bound").port();
        let cable = Arc::new(cable);
        let theirs = cable.clone();
        thread::spawn(move || accept(&listener, target, &theirs));
        Proxy { port, cable }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn cut(&self, cut: Cut) {
        let mut state = self.cable.state();
        state.cut = Some(cut);
        if cut == Cut::Reset {
            state.close_all();
        }
    }

    pub fn mend(&self) {
        self.cable.state().cut = None;
        self.cable.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.cable.state();
        state.ended = true;
        state.close_all();
        drop(state);
        self.cable.changed.notify_all();
        // Wakes the one who waits for connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Cable {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the cable is cut silently. False: it was cut for good, or resets what comes.
    fn pass(&self) -> bool {
        let silent = |state: &mut State| state.cut == Some(Cut::Silent) && !state.ended;
        let state = self.changed.wait_while(self.state(), silent);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        !state.ended && state.cut.is_none()
    }

    /// An answer that names a port is short, and comes at once.
    fn rename(&self, answer: &mut [u8]) {
        for (one, other) in &self.renamed {
            let mut place = 0;
            while place + one.len() <= answer.len() {
                let found = &mut answer[place..place + one.len()];
                if found == one.as_slice() {
                    found.copy_from_slice(other);
                }
                place += 1;
            }
        }
    }
}

impl State {
    fn close_all(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, target: u16, cable: &Arc<Cable>) {
    for client in listener.incoming().flatten() {
        if cable.state().ended {
            return;
        }
        let cable = cable.clone();
        thread::spawn(move || connect(client, target, &cable));
    }
}

fn connect(client: TcpStream, target: u16, cable: &Arc<Cable>) {
    if !cable.pass() {
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
        return;
    };
    let pairs = [
        (client.try_clone(), server.try_clone(), false),
        (server.try_clone(), client.try_clone(), true),
    ];
    let mut state = cable.state();
    // Those that have ended are of no more use.
    state
        .open
        .retain(|stream| stream.take_error().is_ok() && stream.peer_addr().is_ok());
    state.open.extend([client, server]);
    drop(state);
    for pair in pairs {
        if let (Ok(from), Ok(to), answers) = pair {
            let _ = to.set_nodelay(true);
            let cable = cable.clone();
            thread::spawn(move || pump(from, to, &cable, answers));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, cable: &Cable, answers: bool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length) = from.read(&mut bytes) {
        if answers {
            cable.rename(&mut bytes[..length]);
        }
        if length == 0 || !cable.pass() || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn what_was_under_way_arrives_once_a_silent_cut_is_mended() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let proxy = Proxy::to(server.local_addr().expect("bound").port());
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("connected");
    let (mut served, _) = server.accept().expect("connected");
    let mut byte = [0];
    client.write_all(b"a").expect("sent");
    served.read_exact(&mut byte).expect("passed");
    proxy.cut(Cut::Silent);
    client.write_all(b"b").expect("sent");
    served
        .set_read_timeout(Some(std::time::Duration::from_millis(100)))
        .expect("set");
    assert!(served.read_exact(&mut byte).is_err(), "passed a cut cable");
    proxy.mend();
    served.set_read_timeout(None).expect("set");
    served.read_exact(&mut byte).expect("passed");
    assert_eq!(&byte, b"b");
    proxy.cut(Cut::Reset);
    assert!(matches!(served.read(&mut byte), Ok(0) | Err(_)), "still open");
}

#[test]
fn a_service_is_made_to_name_the_cables_of_others() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = server.local_addr().expect("bound").port();
    let proxy = Proxy::naming(port, &[(26_001, 26_002)]);
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("connected");
    let (mut served, _) = server.accept().expect("connected");
    served.write_all(b"*1\r\n$5\r\n26001\r\n").expect("sent");
    let mut answer = [0; 15];
    client.read_exact(&mut answer).expect("passed");
    assert_eq!(&answer, b"*1\r\n$5\r\n26002\r\n");
}
