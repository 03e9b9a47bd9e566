<?php
/**
 * Plugin Name: Fraudcheck for WooCommerce
 * Description: Stops card testing: asks fraudcheck before each payment, and reports how the payment ended.
 * Version: 1.0.0
 * Requires PHP: 7.4
 * Requires Plugins: woocommerce
 * WC requires at least: 7.2
 * License: MIT
 *
 * Put this file into wp-content/plugins and its three settings into wp-config.php, then activate it:
 *   define( 'FRAUDCHECK_URL', 'http://127.0.0.1:8080' );    // an IP address needs no DNS look-up
 *   define( 'FRAUDCHECK_USER', 'checkout:ITS-PASSWORD' );
 *   define( 'FRAUDCHECK_PROXIES', [] );    // a list of lists: for each proxy between the shopper and PHP,
 *                                          // nearest first, its networks: [ [ '10.0.0.0/8' ], [ '192.0.2.0/24' ] ]
 *
 * It asks before every payment but transfers, cheques and cash, on the classic checkout, the block checkout (Store API)
 * and the page that pays an order, and before a card is saved. Without an answer in 100 ms the shop sells.
 */

defined( 'ABSPATH' ) || exit;

// Priority 1000: last, so that what another plugin refuses is no attempt.
add_action( 'woocommerce_checkout_order_processed', function ( $order_id, $data, $order ) {
	if ( $sentence = fraudcheck_refusal( $order, $order->get_payment_method(), apply_filters( 'woocommerce_cart_needs_payment', $order->needs_payment(), WC()->cart ) ) ) {
		WC()->session->set( 'order_awaiting_payment', $order_id ); // the next try takes up this order
		throw new Exception( $sentence );
	}
}, 1000, 3 );
add_action( 'woocommerce_store_api_checkout_order_processed', function ( $order ) {
	if ( $sentence = fraudcheck_refusal( $order, $order->get_payment_method(), $order->needs_payment() ) ) {
		throw new Automattic\WooCommerce\StoreApi\Exceptions\RouteException( 'woocommerce_rest_checkout_process_payment_error', $sentence, 400 );
	}
}, 1000 );
add_action( 'woocommerce_before_pay_action', function ( $order ) {
	if ( $sentence = fraudcheck_refusal( $order, $_POST['payment_method'] ?? '', $order->needs_payment() ) ) {
		wc_add_notice( $sentence, 'error' ); // with an error in place that page starts no payment
	}
}, 1000 );
add_filter( 'woocommerce_add_payment_method_form_is_valid', function ( $valid ) { // a card that is saved: no order, no outcome
	if ( $sentence = fraudcheck_refusal( null, $_POST['payment_method'] ?? '', $valid ) ) {
		wc_add_notice( $sentence, 'error' );
	}
	return $valid && ! $sentence;
}, 1000 );
add_action( 'woocommerce_order_status_changed', function ( $order_id, $from, $to, $order ) { // on hold: charged, not yet captured
	fraudcheck_report( $order, [ 'processing' => 'approved', 'completed' => 'approved', 'on-hold' => 'approved', 'failed' => 'declined' ][ $to ] ?? '' );
}, 10, 4 );
add_action( 'fraudcheck_outcome', 'fraudcheck_outcome', 10, 3 );
add_filter( 'woocommerce_privacy_remove_order_personal_data_meta', fn( $meta ) => $meta + [ '_fraudcheck' => 'text' ] );
add_action( 'before_woocommerce_init', fn() => array_map( 'Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility', [ 'custom_order_tables', 'cart_checkout_blocks' ], [ __FILE__, __FILE__ ] ) );

/** Asks about the payment that comes next; without an order, a card is saved. Returns what to tell the shopper when it must not. */
function fraudcheck_refusal( $order, $method, $needs ): string {
	try {
		if ( ! $needs || in_array( $method, [ 'bacs', 'cheque', 'cod' ], true ) ) {
			return '';
		}
		fraudcheck_report( $order, $order && $order->has_status( 'failed' ) ? 'declined' : '' ); // failed again: that was no change of status
		$email  = json_decode( json_encode( $order ? $order->get_billing_email() : wp_get_current_user()->user_email, JSON_INVALID_UTF8_SUBSTITUTE ) );
		$fields = array_filter( [
			'attempt_id' => 'wc-' . ( $order ? $order->get_id() : 'card' ) . '-' . bin2hex( random_bytes( 6 ) ),
			'ip'         => fraudcheck_shopper( $_SERVER['REMOTE_ADDR'] ?? '', $_SERVER['HTTP_X_FORWARDED_FOR'] ?? '', FRAUDCHECK_PROXIES ),
			'email'      => preg_match( '/\S.{0,255}/su', (string) $email, $part ) ? $part[0] : '', // what is refused is never checked
			'account'    => (string) ( ( $order ? $order->get_customer_id() : get_current_user_id() ) ?: '' ),
			'cart'       => WC()->session ? (string) WC()->session->get_customer_id() : '',
		], 'strlen' );
		[ $status, $answer ] = fraudcheck_call( '/v1/check', $fields + [ 'card' => 'later' ], 95 ); // 5 ms are PHP's own
		$decision = 200 === $status ? $answer['decision'] ?? '' : '';
		if ( 200 === $status && ! in_array( $decision, [ 'allow', 'review', 'block' ], true ) ) {
			throw new Exception( 'the answer holds no decision: is FRAUDCHECK_URL right?' );
		}
		if ( $order && 'block' !== $decision ) { // what was never reported was given up
			$reported = array_filter( fraudcheck_attempts( $order ), fn( $attempt ) => isset( $attempt['outcome'] ) );
			fraudcheck_attempts( $order, $reported + [ $fields['attempt_id'] => $fields + [ 'before' => fraudcheck_card( $order ) ] ] );
		}
		if ( $order && in_array( $decision, [ 'block', 'review' ], true ) ) {
			$order->add_order_note( "fraudcheck: $decision " . preg_replace( '/[^a-z0-9_,]/', '', json_encode( $answer['reasons'] ?? '' ) ) );
			do_action( "fraudcheck_$decision", $order );
		}
		return 'block' !== $decision ? '' : ( $order ? __( 'We were unable to process your order, please try again.', 'woocommerce' ) : __( 'Unable to add payment method to your account.', 'woocommerce' ) );
	} catch ( Throwable $e ) { // whatever breaks, the shop sells
		wc_get_logger()->critical( 'payments go on unchecked: ' . $e->getMessage(), [ 'source' => 'fraudcheck' ] );
		return '';
	}
}

/** Notes the outcome of the order's last attempt, once, and leaves the sending to Action Scheduler. */
function fraudcheck_report( $order, string $outcome ): void {
	try {
		$attempts = $outcome ? fraudcheck_attempts( $order ) : [];
		$id       = array_key_last( $attempts );
		if ( null !== $id && ! isset( $attempts[ $id ]['outcome'] ) ) {
			$attempts[ $id ] += fraudcheck_card( $order, $attempts[ $id ]['before'] ) + [ 'outcome' => $outcome, 'at' => time() ];
			fraudcheck_attempts( $order, $attempts );
			as_schedule_single_action( time(), 'fraudcheck_outcome', [ $order->get_id(), $id, 1 ], 'fraudcheck' );
		}
	} catch ( Throwable $e ) {
		wc_get_logger()->critical( 'an outcome is lost: ' . $e->getMessage(), [ 'source' => 'fraudcheck' ] );
	}
}

/** Sends an outcome; tried again after 1, 4, 16, 64 and 256 minutes. */
function fraudcheck_outcome( $order_id, $id, $try ): void {
	$order    = wc_get_order( $order_id );
	$attempts = $order ? fraudcheck_attempts( $order ) : [];
	if ( isset( $attempts[ $id ] ) ) {
		$fields         = $attempts[ $id ] + ( array_key_last( $attempts ) === $id ? fraudcheck_card( $order, $attempts[ $id ]['before'] ) : [] ); // some gateways store it after the status
		$fields['card'] = isset( $fields['last4'] ) ? 'now' : 'later';
		[ $status ]     = fraudcheck_call( '/v1/outcomes', array_diff_key( $fields, [ 'before' => 0 ] ), 2000 );
		$try < 6 && ( $status < 200 || 429 === $status || $status >= 500 )
			? as_schedule_single_action( time() + 60 * 4 ** ( $try - 1 ), 'fraudcheck_outcome', [ $order_id, $id, $try + 1 ], 'fraudcheck' )
			: fraudcheck_attempts( $order, array_diff_key( $attempts, [ $id => 0 ] ) );
	}
}

/** The attempts whose outcome is not delivered yet, by attempt_id; at most the last 20. */
function fraudcheck_attempts( $order, ?array $new = null ): array {
	if ( null !== $new ) {
		$new ? $order->update_meta_data( '_fraudcheck', array_slice( $new, -20, null, true ) ) : $order->delete_meta_data( '_fraudcheck' );
		$order->save_meta_data();
	}
	return (array) ( $order->get_meta( '_fraudcheck' ) ?: [] );
}

/** The card that the gateway left on the order; not the one from before the attempt, which is an earlier attempt's. */
function fraudcheck_card( $order, array $before = [] ): array {
	$none   = [ 'last4' => '', 'exp_month' => '', 'exp_year' => '' ];
	$own    = '_wc_' . $order->get_payment_method(); // Braintree, Square, Authorize.Net and others alike
	$expiry = explode( '-', $order->get_meta( "{$own}_card_expiry_date" ) . '-' );
	$woo    = json_decode( (string) $order->get_meta( '_wcpay_payment_method_details' ), true ); // WooPayments
	$token  = WC_Payment_Tokens::get( array_slice( $order->get_payment_tokens(), -1 )[0] ?? 0 );
	$card   = $token instanceof WC_Payment_Token_CC
		? [ 'last4' => $token->get_last4(), 'exp_month' => $token->get_expiry_month(), 'exp_year' => $token->get_expiry_year() ]
		: array_intersect_key( (array) ( $woo['card'] ?? [] ), $none ) + [ 'last4' => $order->get_meta( "{$own}_account_four" ), 'exp_month' => $expiry[1], 'exp_year' => $expiry[0] ];
	$card   = array_map( 'strval', array_merge( $none, (array) apply_filters( 'fraudcheck_card', $card, $order ) ) ); // for other gateways
	return preg_match( '/^\d{4} \d\d? (20)?\d\d$/', implode( ' ', $card ) ) && $card !== $before ? $card : [];
}

/** The shopper's IP address: X-Forwarded-For from the right, for as long as the next hop is the proxy that belongs there. */
function fraudcheck_shopper( string $ip, string $forwarded, array $proxies ): string {
	if ( array_filter( $proxies, 'is_array' ) !== $proxies ) {
		throw new Exception( 'FRAUDCHECK_PROXIES is a list of lists, such as [ [ \'10.0.0.0/8\' ] ]' );
	}
	$plain = '/^\[?(?:(?:::ffff:)?((?:\d+\.){3}\d+)|([\da-f:]+))\]?(?::\d+)?$/i'; // without port and brackets
	$hops  = preg_replace( $plain, '$1$2', array_map( 'trim', explode( ',', ltrim( "$forwarded,$ip", ',' ) ) ) );
	for ( $n = 0; isset( $proxies[ $n ], $hops[1] ) && fraudcheck_within( end( $hops ), $proxies[ $n ] ); $n++ ) {
		array_pop( $hops );
	}
	$own = [ '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '::1', 'fc00::/7', 'fe80::/10' ];
	if ( fraudcheck_within( $ip = end( $hops ), $own ) ) { // then all shoppers seem to be one, and a few payments would close the shop
		throw new Exception( "the shopper seems to be at $ip, an address of your own: set FRAUDCHECK_PROXIES" );
	}
	if ( ! $proxies && array_slice( $hops, -2, 1 ) !== [ $ip ] && ! get_transient( 'fraudcheck_proxies' ) ) {
		set_transient( 'fraudcheck_proxies', 1, DAY_IN_SECONDS ); // anybody may send that header: so it is asked all the same
		wc_get_logger()->critical( 'X-Forwarded-For is not REMOTE_ADDR. Behind a CDN or proxy all shoppers then seem to be one, and after a few cards nobody can buy: set FRAUDCHECK_PROXIES, to [ [] ] where there is none.', [ 'source' => 'fraudcheck' ] );
	}
	return $ip;
}

function fraudcheck_within( string $ip, array $networks ): bool {
	$ip = (string) @inet_pton( $ip );
	return (bool) array_filter( $networks, function ( $network ) use ( $ip ) {
		[ $base, $bits ] = explode( '/', "$network/128" );
		$base = (string) inet_pton( $base );
		$mask = str_repeat( "\xff", $bits >> 3 ) . chr( 0xff00 >> ( $bits & 7 ) ) . str_repeat( "\0", 15 );
		return strlen( $ip ) === strlen( $base ) && ( $ip & $mask ) === ( $base & $mask );
	} );
}

/** Posts the fields, once more where the connection broke early. Returns the status, 0 for none, and the answer. */
function fraudcheck_call( string $path, array $fields, int $ms ): array {
	$start = hrtime( true );
	$try   = 1;
	do {
		$text = '';
		$call = curl_init( FRAUDCHECK_URL . $path );
		curl_setopt_array( $call, [
			CURLOPT_POSTFIELDS    => json_encode( $fields, JSON_INVALID_UTF8_SUBSTITUTE ),
			CURLOPT_HTTPHEADER    => [ 'Content-Type: application/json', 'Expect:' ],
			CURLOPT_USERPWD       => FRAUDCHECK_USER,
			CURLOPT_TIMEOUT_MS    => $ms - intdiv( hrtime( true ) - $start, 1000000 ),
			CURLOPT_NOSIGNAL      => true, // or looking up a name takes whole seconds
			CURLOPT_PROXY         => '',
			CURLOPT_HEADER        => true, // then the bound below holds for the header too
			CURLOPT_WRITEFUNCTION => function ( $call, $part ) use ( &$text ) {
				return strlen( $text .= $part ) > 65536 ? 0 : strlen( $part );
			},
		] );
		$good   = curl_exec( $call );
		$broken = in_array( curl_errno( $call ), [ CURLE_COULDNT_CONNECT, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR ], true );
	} while ( $broken && 1 === $try++ && hrtime( true ) - $start < 600000 * $ms );
	$status = $good ? curl_getinfo( $call, CURLINFO_RESPONSE_CODE ) : 0;
	$answer = (array) json_decode( substr( $text, curl_getinfo( $call, CURLINFO_HEADER_SIZE ) ), true, 8 );
	if ( 200 !== $status && 202 !== $status ) {
		$level = 0 === $status || 429 === $status || $status >= 500 ? 'warning' : 'critical'; // the shop's own fault: wake somebody
		wc_get_logger()->log( $level, "$path: status $status " . ( $status ? preg_replace( '/\W/', '', json_encode( $answer['code'] ?? '' ) ) : curl_error( $call ) ), [ 'source' => 'fraudcheck' ] );
	}
	return [ $status, $answer ];
}
