//! Looks up the addresses of a server.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::oneshot;
use tower::Service;

/// Asks the system, on a thread of its own: the answer may take longer than kb waits. A
/// thread that cannot be started is an error, where tokio's own would be a panic.
#[derive(Clone)]
pub(super) struct Resolver;

type Addresses = std::vec::IntoIter<SocketAddr>;

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let look_up = move || {
            // Nobody waits for it any more after the time limit.
            let _ = answer.send((name.as_str(), 0).to_socket_addrs());
        };
        let started = thread::Builder::new().spawn(look_up);
        Box::pin(async move {
            started?;
            let lost = |_| Err(io::Error::other("the look-up of its name failed"));
            answered.await.unwrap_or_else(lost)
        })
    }
}
