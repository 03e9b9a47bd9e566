<?php
// A shop of a few lines that calls examples/woocommerce/fraudcheck.php as WooCommerce does. Each
// line of standard input is one press of Pay; each line of output says what became of it.

define( 'ABSPATH', __DIR__ );
[ , $plugin, $url, $user, $proxies ] = $argv;
define( 'FRAUDCHECK_URL', $url );
define( 'FRAUDCHECK_USER', $user );
define( 'FRAUDCHECK_PROXIES', json_decode( $proxies, true ) );

const DAY_IN_SECONDS = 86400;

$hooks = $orders = $notices = $log = $queue = $tokens = $transients = $declared = [];

function add_action( $name, $function, $priority = 10, $arguments = 1 ) {
	$GLOBALS['hooks'][ $name ][] = [ $function, $arguments ];
}
function add_filter( ...$all ) {
	add_action( ...$all );
}
function do_action( $name, ...$given ) {
	foreach ( $GLOBALS['hooks'][ $name ] ?? [] as [ $function, $arguments ] ) {
		$function( ...array_slice( $given, 0, $arguments ) );
	}
}
function apply_filters( $name, $value, ...$given ) {
	foreach ( $GLOBALS['hooks'][ $name ] ?? [] as [ $function, $arguments ] ) {
		$value = $function( ...array_slice( [ $value, ...$given ], 0, $arguments ) );
	}
	return $value;
}
function __( $text, $domain ) {
	return $text;
}
function wc_add_notice( $text, $kind ) {
	$GLOBALS['notices'][] = $text;
}
function get_transient( $name ) {
	return $GLOBALS['transients'][ $name ] ?? false;
}
function set_transient( $name, $value, $seconds ) {
	$GLOBALS['transients'][ $name ] = $value;
}
function wp_get_current_user() {
	return (object) [ 'user_email' => 'customer@example.com' ];
}
function get_current_user_id() {
	return 42;
}
function wc_get_order( $id ) {
	return $GLOBALS['orders'][ $id ] ?? false;
}
function as_schedule_single_action( $time, $hook, $arguments, $group ) {
	$GLOBALS['queue'][] = [ $time, $hook, $arguments ];
}
function wc_get_logger() {
	return new class() {
		public function log( $level, $text, $context ) {
			$GLOBALS['log'][] = "$level $text";
		}
		public function critical( $text, $context ) {
			$this->log( 'critical', $text, $context );
		}
	};
}
function WC() {
	return $GLOBALS['woocommerce'] ??= new class() {
		public $session, $cart;
		public function __construct() {
			$this->session = new class() {
				public function get_customer_id() {
					return 't_shopper';
				}
				public function set( $key, $value ) {}
			};
		}
	};
}

class WC_Payment_Token_CC {
	public function __construct( public array $card ) {}
	public function get_last4() {
		return $this->card['last4'];
	}
	public function get_expiry_month() {
		return $this->card['exp_month'];
	}
	public function get_expiry_year() {
		return $this->card['exp_year'];
	}
}

class WC_Payment_Tokens {
	public static function get( $id ) {
		return $GLOBALS['tokens'][ $id ] ?? null;
	}
}

class Order {
	public array $meta = [], $saved = [], $notes = [], $tokens = [];
	public string $status = 'pending', $method = '', $email;
	public function __construct( public int $id ) {
		$this->email = "shopper-$id@example.com";
	}
	public function get_id() {
		return $this->id;
	}
	public function needs_payment() {
		return in_array( $this->status, [ 'pending', 'failed' ], true );
	}
	public function get_payment_method() {
		return $this->method;
	}
	public function get_billing_email() {
		return $this->email;
	}
	public function get_customer_id() {
		return 0;
	}
	public function has_status( $status ) {
		return $status === $this->status;
	}
	public function get_payment_tokens() {
		return $this->tokens;
	}
	public function get_meta( $key ) {
		return $this->meta[ $key ] ?? '';
	}
	public function update_meta_data( $key, $value ) {
		$this->meta[ $key ] = $value;
	}
	public function delete_meta_data( $key ) {
		unset( $this->meta[ $key ] );
	}
	public function save_meta_data() {
		$this->saved = $this->meta;
	}
	public function add_order_note( $text ) {
		$this->notes[] = $text;
	}
	public function set_status( $to ) {
		$from         = $this->status;
		$this->status = $to;
		if ( $from !== $to ) {
			do_action( 'woocommerce_order_status_changed', $this->id, $from, $to, $this );
		}
	}
}

eval( 'namespace Automattic\WooCommerce\StoreApi\Exceptions; class RouteException extends \Exception {
	public function __construct( public string $name, string $text, int $status ) { parent::__construct( $text, $status ); }
}' );
eval( 'namespace Automattic\WooCommerce\Utilities; class FeaturesUtil {
	public static function declare_compatibility( $feature, $file ) { $GLOBALS["declared"][ $feature ] = basename( $file ); }
}' );

// Where the gateways that the plugin knows leave a card.
function leave_card( Order $order, string $where, array $card ) {
	switch ( $where ) {
		case 'token':
			$GLOBALS['tokens'][] = new WC_Payment_Token_CC( $card );
			$order->tokens[]     = array_key_last( $GLOBALS['tokens'] );
			break;
		case 'braintree':
			$order->meta['_wc_braintree_credit_card_account_four']     = $card['last4'];
			$order->meta['_wc_braintree_credit_card_card_expiry_date'] = substr( $card['exp_year'], 2 ) . '-' . $card['exp_month'];
			break;
		case 'woopayments':
			$order->meta['_wcpay_payment_method_details'] = json_encode( [ 'card' => [ 'brand' => 'visa', 'exp_month' => (int) $card['exp_month'], 'exp_year' => (int) $card['exp_year'], 'last4' => $card['last4'] ] ] );
			break;
		case 'elsewhere':
			$order->meta['_card'] = $card;
	}
}
add_filter( 'fraudcheck_card', fn( $card, $order ) => $order->get_meta( '_card' ) ?: $card, 10, 2 );

function run_queue( $until ) {
	$due              = array_filter( $GLOBALS['queue'], fn( $job ) => $job[0] <= $until );
	$GLOBALS['queue'] = array_diff_key( $GLOBALS['queue'], $due );
	foreach ( $due as [ , $hook, $arguments ] ) {
		do_action( $hook, ...$arguments );
	}
}

$tokens[] = null; // ids begin at 1
require $plugin;
do_action( 'before_woocommerce_init' );
add_filter( 'woocommerce_cart_needs_payment', fn( $needs ) => $GLOBALS['press']['needs'] ?? $needs );

for ( $number = 1; $line = fgets( STDIN ); $number++ ) {
	$press   = json_decode( $line, true ) + [ 'order' => 1000 + $number, 'checkout' => 'classic', 'method' => 'card', 'status' => 'processing', 'leaves' => '', 'late' => false, 'wait' => 0 ];
	$order   = $orders[ $press['order'] ] ??= new Order( $press['order'] );
	$notices = $log = [];

	if ( isset( $press['email'] ) ) { // in hexadecimal digits: not all bytes are text
		$order->email = hex2bin( $press['email'] );
	}
	$order->method          = 'braintree' === $press['leaves'] ? 'braintree_credit_card' : $press['method'];
	$_SERVER['REMOTE_ADDR'] = $press['ip'];
	unset( $_SERVER['HTTP_X_FORWARDED_FOR'], $_POST['payment_method'] );
	if ( isset( $press['forwarded'] ) ) {
		$_SERVER['HTTP_X_FORWARDED_FOR'] = $press['forwarded'];
	}
	$start = hrtime( true );
	try {
		switch ( $press['checkout'] ) {
			case 'classic':
				do_action( 'woocommerce_checkout_order_processed', $order->id, [], $order );
				break;
			case 'blocks':
				do_action( 'woocommerce_store_api_checkout_order_processed', $order );
				break;
			case 'pay page':
				$_POST['payment_method'] = $press['method'];
				do_action( 'woocommerce_before_pay_action', $order );
				break;
			case 'save card':
				$_POST['payment_method'] = $press['method'];
				$valid                   = apply_filters( 'woocommerce_add_payment_method_form_is_valid', true );
				if ( $valid !== ! $notices ) {
					throw new Error( 'the page says nothing, or goes on' );
				}
		}
	} catch ( Exception $e ) { // as process_checkout and the Store API do
		$notices[] = $e->getMessage();
	}
	$ms = ( hrtime( true ) - $start ) / 1e6;
	if ( ! $notices ) { // the gateway charges
		if ( isset( $press['card'] ) && ! $press['late'] ) {
			leave_card( $order, $press['leaves'], $press['card'] );
		}
		$order->set_status( $press['status'] );
		if ( isset( $press['card'] ) && $press['late'] ) {
			leave_card( $order, $press['leaves'], $press['card'] );
		}
	}
	run_queue( time() + $press['wait'] );
	echo json_encode( [ 'sold' => ! $notices, 'ms' => $ms, 'notices' => $notices, 'log' => $log, 'notes' => $order->notes, 'kept' => count( $order->saved['_fraudcheck'] ?? [] ), 'queue' => count( $queue ), 'declared' => $declared ] ), "\n";
}
