import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;

/** Makes calls as a checkout does, and prints how many were answered 200: URL USER PASSWORD CALLS. */
class Client {
    public static void main(String[] args) throws Exception {
        String body = "{\"last4\":\"4242\",\"exp_month\":12,\"exp_year\":2030,"
            + (args[0].endsWith("/check") ? "\"ip\":\"203.0.113.7\"}" : "\"per\":\"card\"}");
        String basic = Base64.getEncoder().encodeToString((args[1] + ":" + args[2]).getBytes());
        HttpClient client = HttpClient.newHttpClient(); // asks for h2c with every request
        int good = 0;
        for (int i = 0; i < Integer.parseInt(args[3]); i++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(args[0])).header("Authorization", "Basic " + basic);
            if (!args[0].contains("/addresses/")) { // a GET otherwise
                request.header("Content-Type", "application/json").expectContinue(i % 2 == 1)
                    .POST(HttpRequest.BodyPublishers.ofString(body));
            }
            good += client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode() == 200 ? 1 : 0;
        }
        System.out.println(good);
    }
}
