//! The port for feedback.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::bug::Bug;
use super::provider::close;
use super::world::World;

/// As many tuples of 38 bytes as fit into a TLS record [P-55].
const WHOLE: usize = 431 * 38;

pub(crate) async fn serve(mut stream: TlsStream<TcpStream>, world: &World) -> std::io::Result<()> {
    let list = world.list();
    if world.bug == Some(Bug::ClearsAtConnect) {
        world.clear(&list);
    }
    let mut bytes = Vec::new();
    for (time, token) in &list {
        let len = u16::try_from(token.len()).unwrap();
        bytes.extend(time.to_be_bytes());
        bytes.extend(match world.bug {
            Some(Bug::LengthBackwards) => len.to_le_bytes(),
            _ => len.to_be_bytes(),
        });
        bytes.extend(token);
    }
    let record = match world.bug {
        Some(Bug::SplitsTuples) => 1000,
        _ => WHOLE,
    };
    for part in bytes.chunks(record) {
        stream.write_all(part).await?;
        stream.flush().await?;
    }
    if world.bug == Some(Bug::NeverCloses) {
        std::future::pending::<()>().await;
    }
    // Who has closed in its turn has everything [P-53].
    if close(stream).await? {
        match world.bug {
            Some(Bug::ListsAgain) => {}
            Some(Bug::ClearsAll) => world.clear(&world.list()),
            _ => world.clear(&list),
        }
    }
    Ok(())
}
