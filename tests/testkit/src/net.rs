//! Loopback servers that a kubeconfig may point to: proxies, and servers
//! that misbehave. Each runs on threads, on a free port, until it is dropped.

mod file_server;
mod http_proxy;
mod relay;
mod request_log;
mod silent_server;
mod socks_proxy;

use std::fmt;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

pub use file_server::FileServer;
pub use http_proxy::HttpProxy;
pub use request_log::RequestLog;
pub use silent_server::SilentServer;
pub use socks_proxy::SocksProxy;

/// A port of 127.0.0.1 that nobody listens on, and that nobody will for the
/// rest of this process.
///
/// Merely choosing a free port would not do: a server of another test could
/// be given it a moment later. It is the near end of a connection instead,
/// which the kernel does not give to a listener.
#[must_use]
pub fn refused_port() -> u16 {
    static HELD: Mutex<Vec<(TcpListener, TcpStream)>> = Mutex::new(Vec::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    let stream = TcpStream::connect(address).expect("it listens");
    let port = stream.local_addr().expect("it is connected").port();
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    held.push((listener, stream));
    port
}

/// A thread that accepts, and one for each connection.
struct LoopbackServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    connections: AtomicUsize,
    /// The live connections, so that the end of the server ends them.
    open: Mutex<Vec<TcpStream>>,
}

impl Shared {
    /// Has the stream ended with the server, at once if that has ended.
    fn keep(&self, stream: &TcpStream) {
        let Ok(clone) = stream.try_clone() else {
            return;
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.stopping.load(Ordering::SeqCst) {
            let _ = clone.shutdown(Shutdown::Both);
        } else {
            open.push(clone);
        }
    }
}

impl LoopbackServer {
    /// Serves each connection by `serve`, on a thread of its own. Streams
    /// that `serve` opens itself end when the other side does.
    fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let serve = Arc::new(serve);
        let seen = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                seen.keep(&stream);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for LoopbackServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackServer")
            .field("address", &self.address)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        let open = {
            let mut open = self
                .shared
                .open
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.shared.stopping.store(true, Ordering::SeqCst);
            std::mem::take(&mut *open)
        };
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts; it sees the flag and ends.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            let _ = acceptor.join();
        }
    }
}
