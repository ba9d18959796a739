//! How each runtime is made to trust a CA.

use std::fmt;
use std::path::{Path, absolute};

use serde::Serialize;

use super::output::Word;

/// One way for each runtime; the CA's file is in it by its whole path.
#[derive(Serialize)]
pub(crate) struct Trust {
    php: String,
    java: String,
    node: String,
    dotnet: String,
    python: String,
    debian: String,
    rhel: String,
}

impl Trust {
    pub(crate) fn new(ca: &Path) -> Self {
        let ca = absolute(ca).unwrap_or_else(|_| ca.to_owned());
        let word = Word(&ca);
        let text = ca.display().to_string();
        let literal = text.replace('\\', r"\\").replace('\'', r"\'");
        Self {
            php: format!(
                "stream_context_create(['ssl' => ['cafile' => '{literal}', 'local_cert' => 'ck.pem']])"
            ),
            java: format!(
                "keytool -importcert -noprompt -alias apns-development -file {word} -keystore truststore.p12 \
                 -storetype PKCS12 -storepass changeit && java -Djavax.net.ssl.trustStore=truststore.p12 \
                 -Djavax.net.ssl.trustStorePassword=changeit …"
            ),
            node: format!("NODE_EXTRA_CA_CERTS={word} node …"),
            dotnet: format!("SSL_CERT_FILE={word} dotnet …"),
            python: format!("ssl.create_default_context(cafile='{literal}')"),
            debian: format!(
                "sudo cp {word} /usr/local/share/ca-certificates/apns-development.crt && sudo update-ca-certificates"
            ),
            rhel: format!(
                "sudo cp {word} /etc/pki/ca-trust/source/anchors/apns-development.pem && sudo update-ca-trust"
            ),
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            php,
            java,
            node,
            dotnet,
            python,
            debian,
            rhel,
        } = self;
        write!(
            f,
            "  PHP     {php}
          a folder of CAs ('capath') wants `openssl rehash DIR` after the file was put into it
  Java    {java}
  node    {node}
          or tls.connect({{ ca: fs.readFileSync(…) }}), which old node 0.x needs
  .NET    {dotnet}
          on Windows: certutil -user -addstore Root ca.pem
  Python  {python}
  Debian  {debian}
  RHEL    {rhel}

The last two make the whole machine trust the CA, and whoever has its key (ca-key.pem in the portal's folder) could then
pass for any server: only on a machine that is for tests."
        )
    }
}
