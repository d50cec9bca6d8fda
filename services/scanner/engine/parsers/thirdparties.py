"""Well-known other parties that pages load code from: payment processors, and analytics and advertising networks."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_PROCESSORS: Mapping[str, str] = {
    "js.stripe.com": "Stripe", "checkout.stripe.com": "Stripe", "paypal.com": "PayPal", "paypalobjects.com": "PayPal",
    "braintreegateway.com": "Braintree", "adyen.com": "Adyen", "squareup.com": "Square", "squarecdn.com": "Square",
    "authorize.net": "Authorize.Net", "worldpay.com": "Worldpay", "checkout.com": "Checkout.com",
    "klarna.com": "Klarna", "mollie.com": "Mollie", "razorpay.com": "Razorpay",
}  # fmt: skip
_TRACKERS: Mapping[str, str] = {
    "google-analytics.com": "Google Analytics", "googletagmanager.com": "Google Tag Manager",
    "doubleclick.net": "Google Ads", "googleadservices.com": "Google Ads", "googlesyndication.com": "Google Ads",
    "connect.facebook.net": "Meta Pixel", "facebook.com": "Meta Pixel", "snap.licdn.com": "LinkedIn Insight",
    "ads.linkedin.com": "LinkedIn Insight", "analytics.tiktok.com": "TikTok Pixel", "bat.bing.com": "Microsoft Ads",
    "clarity.ms": "Microsoft Clarity", "hotjar.com": "Hotjar", "static.ads-twitter.com": "X Ads",
    "segment.com": "Segment", "mixpanel.com": "Mixpanel", "fullstory.com": "FullStory",
    "mc.yandex.ru": "Yandex Metrica", "criteo.com": "Criteo", "criteo.net": "Criteo", "hs-scripts.com": "HubSpot",
    "amplitude.com": "Amplitude",
}  # fmt: skip


def payment_processor(url: str) -> str:
    """The processor's name; "" where the address is no known one's."""
    return _named(_PROCESSORS, url)


def tracker(url: str) -> str:
    return _named(_TRACKERS, url)


def _named(parties: Mapping[str, str], url: str) -> str:
    labels = (urlsplit(url).hostname or "").split(".")
    suffixes = (".".join(labels[start:]) for start in range(len(labels)))
    return next((parties[suffix] for suffix in suffixes if suffix in parties), "")
