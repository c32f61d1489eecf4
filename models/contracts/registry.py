"""Every published relation with a contract of its own: the source of DDL, comments, docs and validation."""

from __future__ import annotations

import dataframely as dy

from models.contracts import analytics, core, gamma, history, marts, opex, ops, settlements, signals, summary

TABLES: dict[str, type[dy.Schema]] = {
    "core.snapshots": core.Snapshots,
    "core.snapshot_venues": core.SnapshotVenues,
    "core.option_quotes": core.OptionQuotes,
    "core.option_greeks": core.OptionGreeks,
    "core.expiry_smile": analytics.ExpirySmile,
    "core.implied_density": analytics.ImpliedDensity,
    "core.gamma_ladder": analytics.GammaLadder,
    "core.scopes": core.Scopes,
    "core.series": core.Series,
    "core.oi_by_strike": core.OiByStrike,
    "core.delivery_prices": settlements.DeliveryPrices,
    "core.pin_bands": settlements.PinBands,
    "core.calendar": core.Calendar,
    "core.sessions": core.Sessions,
    "core.listing_rules": core.ListingRules,
    "core.sign_scenarios": core.SignScenarios,
    "core.parameters": core.Parameters,
    "marts.gex_heatmap": marts.GexHeatmap,
    "marts.gex_by_strike": marts.GexByStrike,
    "marts.gex_by_expiry": marts.GexByExpiry,
    "marts.gex_ranked": gamma.GexRanked,
    "marts.pain_curve": marts.PainCurve,
    "marts.max_pain": marts.MaxPain,
    "marts.max_pain_pooled": signals.MaxPainPooled,
    "marts.gex_levels": marts.GexLevels,
    "marts.opex_calendar": opex.OpexCalendar,
    "marts.gamma_profile": gamma.GammaProfile,
    "marts.gamma_flip_zones": gamma.GammaFlipZones,
    "marts.expiry_summary": summary.ExpirySummary,
    "marts.pin_score": signals.PinScore,
    "ops.runs": ops.Runs,
    "ops.payloads": ops.Payloads,
    "ops.rejected_rows": ops.RejectedRowsTable,
    "ops.check_results": ops.CheckResults,
    "ops.alerts": ops.Alerts,
    "ops.publication": ops.Publications,
}

# Views over several snapshots: published under a contract like the tables, but they store no rows.
VIEWS: dict[str, type[dy.Schema]] = {
    "marts.oi_change": history.OiChange,
    "marts.max_pain_drift": history.MaxPainDrift,
    "core.settlement_prices": settlements.SettlementPrices,
    "marts.settlement_outcomes": settlements.SettlementOutcomes,
    "core.pin_fits": settlements.PinFits,
    "marts.pin_probability": settlements.PinProbability,
    "marts.pin_calibration": settlements.PinCalibration,
    "marts.scanner": history.Scanner,
}

PUBLISHED = TABLES | VIEWS
