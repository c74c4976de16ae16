<?php
// Vtiger's arithmetic of order totals: the direct writer has to store what the web service would.
// Nothing is rounded on the way but what a column keeps; the service predicts with the same rules.

class WooSyncOrderTotals
{
    const CHARGE = 'shipping_&_handling';
    const PERCENT_PLACES = 3;
    const AMOUNT_PLACES = 8;

    /**
     * subtotal, pre_tax_total and total as texts of 14 digits, for an element as the web service
     * takes it. `$carried` are the rates assigned to each product or service, by its id and the
     * tax's name; `$prices` the unit prices, for lines without one. Throws InvalidArgumentException
     * for what is no number.
     */
    public static function of($element, $carried, $prices = array())
    {
        // The sums are made in the order in which Vtiger makes them: doubles tell the difference.
        $isIndividual = self::isIndividual($element);
        $net = 0.0;
        $sub = 0.0;
        foreach ($element['LineItems'] as $line) {
            $lineNet = self::net($line, $prices);
            $net += $lineNet;
            $sub += $lineNet;
            foreach ($isIndividual ? self::lineRates($line, $carried) : array() as $rate) {
                $sub += $lineNet * $rate / 100;
            }
        }
        $discount = self::discount($element, $sub);
        list($shipping, $shippingTax) = self::shipping($element);
        $tax = ($isIndividual ? 0.0 : self::groupTax($element, $sub - $discount)) + $shippingTax;
        $adjustment = self::column($element, 'txtAdjustment', self::AMOUNT_PLACES);
        return array(
            'subtotal' => self::digits($sub),
            'pre_tax_total' => self::digits($net - $discount + $shipping),
            'total' => self::digits($sub - $discount + $shipping + $tax + $adjustment),
        );
    }

    public static function isIndividual($element)
    {
        return isset($element['hdnTaxType']) && $element['hdnTaxType'] === 'individual';
    }

    /** tax1, tax2 … as far as the line has them. */
    public static function taxNames($line)
    {
        return preg_grep('/^tax[0-9]+$/D', array_keys($line));
    }

    private static function net($line, $prices)
    {
        if (!isset($line['listprice'])) {
            $line['listprice'] = isset($prices[$line['productid']]) ? $prices[$line['productid']] : '0';
        }
        $gross = self::column($line, 'listprice', self::AMOUNT_PLACES)
            * self::column($line, 'quantity', self::PERCENT_PLACES);
        $amount = self::column($line, 'discount_amount', self::AMOUNT_PLACES);
        if ($amount) {
            return $gross - $amount;
        }
        return $gross - self::column($line, 'discount_percent', self::PERCENT_PLACES) / 100 * $gross;
    }

    /** Only taxes that the product carries count; with none sent, at its own rates. */
    private static function lineRates($line, $carried)
    {
        $own = isset($carried[$line['productid']]) ? $carried[$line['productid']] : array();
        if (!self::taxNames($line)) {
            return array_map('floatval', $own);
        }
        $rates = array();
        foreach (array_keys($own) as $name) {
            $rates[] = self::column($line, $name, self::PERCENT_PLACES);
        }
        return $rates;
    }

    /** The rates of the first line, carried or not. */
    private static function groupTax($element, $base)
    {
        $first = $element['LineItems'][0];
        $tax = 0.0;
        foreach (self::taxNames($first) as $name) {
            $tax += $base * (float) self::number($first, $name) / 100;
        }
        return $tax;
    }

    /** An amount drops the percentage, a negative one gives nothing. */
    private static function discount($element, $sub)
    {
        $amount = self::column($element, 'hdnDiscountAmount', self::AMOUNT_PLACES);
        if ($amount) {
            return max($amount, 0.0);
        }
        return self::column($element, 'hdnDiscountPercent', self::PERCENT_PLACES) / 100 * $sub;
    }

    private static function shipping($element)
    {
        $charge = self::number($element, self::CHARGE);
        $hasCharge = (bool) (float) $charge;
        $pattern = $hasCharge ? '/^shipping_&_handling_shtax[0-9]+$/D' : '/^(shtax[0-9]+_sh_percent|hdnS_H_Percent)$/D';
        $amount = $hasCharge ? $charge : self::number($element, 'hdnS_H_Amount');
        $tax = 0.0;
        foreach (preg_grep($pattern, array_keys($element)) as $name) {
            $tax += (float) $amount * (float) self::number($element, $name) / 100;
        }
        return array((float) self::rounded($amount, self::AMOUNT_PLACES), $tax);
    }

    private static function column($fields, $name, $places)
    {
        return (float) self::rounded(self::number($fields, $name), $places);
    }

    /** A field as the text of a plain decimal, '0' if it is absent. */
    public static function number($fields, $name)
    {
        $value = isset($fields[$name]) ? $fields[$name] : '0';
        $text = is_int($value) || is_float($value) ? number_format($value, 10, '.', '') : $value;
        $text = is_string($text) ? trim($text) : '';
        if (!preg_match('/^-?[0-9]+(\.[0-9]+)?$/D', $text)) {
            throw new InvalidArgumentException("$name must be a number with a dot, or left out");
        }
        return $text;
    }

    /** A decimal as a column of so many places keeps it, half up; in text, for a double has no half. */
    public static function rounded($text, $places)
    {
        $parts = explode('.', ltrim($text, '-'));
        $fraction = isset($parts[1]) ? $parts[1] : '';
        if (strlen($fraction) <= $places) {
            return $text;
        }
        $digits = '0' . $parts[0] . substr($fraction, 0, $places);
        if ($fraction[$places] >= '5') {
            $kept = rtrim($digits, '9');
            $last = strlen($kept) - 1;
            $digits = substr($kept, 0, $last) . ((int) $kept[$last] + 1) . str_repeat('0', strlen($digits) - $last - 1);
        }
        $sign = $text[0] === '-' ? '-' : '';
        return $sign . substr($digits, 0, -$places) . '.' . substr($digits, -$places);
    }

    /** As PHP hands a double to the database by default, whatever this server's settings are. */
    private static function digits($value)
    {
        $precision = ini_set('serialize_precision', '14');
        $text = json_encode($value);
        ini_set('serialize_precision', $precision);
        return $text;
    }
}
