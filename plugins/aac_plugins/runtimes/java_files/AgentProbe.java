import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.Socket;
import java.net.URL;

/** Asks an agent from inside its image whether it is well: PORT SECONDS, then a path for HTTP, nothing for TCP. */
public final class AgentProbe {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        int timeout = Math.max(1, (int) (Double.parseDouble(args[1]) * 1000));
        if (args.length < 3) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress("127.0.0.1", port), timeout);
            }
            return;
        }
        URL url = new URL("http", "127.0.0.1", port, args[2]);
        HttpURLConnection connection = (HttpURLConnection) url.openConnection(Proxy.NO_PROXY);
        connection.setInstanceFollowRedirects(false);
        connection.setConnectTimeout(timeout);
        connection.setReadTimeout(timeout);
        int status = connection.getResponseCode();
        System.exit(status >= 200 && status < 400 ? 0 : 1);
    }
}
